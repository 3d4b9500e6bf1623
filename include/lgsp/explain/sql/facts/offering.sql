-- How a procedure is offered at an agency on the last day of the period, or on the day of the data if the period is not over.
select distinct on (unit_id) unit_id, service_code, online_level, online_mode, is_integrated_national, integrated_on, valid_from, valid_to
from (
    select *, organisation_id || ' ' || service_code as unit_id, least(period_end, (as_of at time zone 'Asia/Ho_Chi_Minh')::date) as until_on
    from shared.service_offering, requested
) o join unit using (unit_id)
where valid_from < until_on and (valid_to is null or valid_to >= until_on)
order by unit_id, valid_from desc
