-- What moved at each agency in each procedure and affected period. Needs the temporary table part.
create temporary table tally on commit drop as
select organisation_id, service_code, period, period_start, ${sums}
from record.movement join part using (span, since_on) group by organisation_id, service_code, period, period_start
