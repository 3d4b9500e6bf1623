-- Movements of documents and work files by agency and day. Needs `document_version`, `document_delivery_version` and
-- `work_file_version`: row versions with a sign, 1 for current ones, -1 for replaced ones.
with calendar as (
    select day_on, min(day_on) filter (where is_working_day) over (order by day_on desc rows between unbounded preceding and 1 preceding) as next_working_day_on
    from shared.working_day
), dispatch as (
    select sign, document_id, min(sender_organisation_id) as sender_organisation_id, min(sent_at) as sent_at
    from document_delivery_version group by sign, document_id
), arrival as (
    select sign, document_id, recipient_organisation_id, coalesce(is_void, false) as is_void,
        (arrived_at at time zone 'Asia/Ho_Chi_Minh')::date as arrived_on, (accepted_at at time zone 'Asia/Ho_Chi_Minh')::date as accepted_on
    from document_delivery_version left join document_version using (sign, document_id) where arrived_at is not null
), movement as (
    select coalesce(sender_organisation_id, issuing_organisation_id) as organisation_id,
        coalesce((sent_at at time zone 'Asia/Ho_Chi_Minh')::date, issued_on) as day_on,
        sign as sent, sign * (has_paper_copy is false)::int as sent_paperless, sign * (is_signed is true)::int as sent_signed,
        0 as sent_deliveries, 0 as received, 0 as received_excluded, 0 as received_in_time, 0 as files_opened, 0 as files_electronic
    from document_version left join dispatch using (sign, document_id)
    union all
    select sender_organisation_id, coalesce((sent_at at time zone 'Asia/Ho_Chi_Minh')::date, issued_on), 0, 0, 0, sign, 0, 0, 0, 0, 0
    from document_delivery_version
    union all
    -- a delivery must be accepted by the next working day: from Thursday by Friday, from Friday, Saturday and Sunday by Monday
    select recipient_organisation_id, arrived_on, 0, 0, 0, 0, sign, sign * is_void::int,
        sign * (not is_void and coalesce(accepted_on <= next_working_day_on, false))::int, 0, 0
    from arrival left join calendar on day_on = arrived_on
    union all
    select organisation_id, opened_on, 0, 0, 0, 0, 0, 0, 0, sign, sign * (is_electronic is true)::int from work_file_version
)
select organisation_id, day_on, sum(sent)::integer as sent, sum(sent_paperless)::integer as sent_paperless, sum(sent_signed)::integer as sent_signed,
    sum(sent_deliveries)::integer as sent_deliveries, sum(received)::integer as received, sum(received_excluded)::integer as received_excluded,
    sum(received_in_time)::integer as received_in_time, sum(files_opened)::integer as files_opened, sum(files_electronic)::integer as files_electronic,
    0 as held_papers
from movement where day_on is not null group by organisation_id, day_on
