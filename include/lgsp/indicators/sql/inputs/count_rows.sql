-- The movements of dossiers by agency, procedure and affected period. Needs the temporary table period_span.
create temporary table period_movement on commit drop as
select organisation_id, service_code, period, period_start, ${movement_sums}
from record.movement join period_span using (span, since_on) group by organisation_id, service_code, period, period_start
