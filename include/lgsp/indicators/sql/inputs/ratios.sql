-- What each ratio divides by what, and whom it leaves out on purpose: kpi_id, numerator, denominator, excluded.
-- Over sums of moves (record.movement), what stands at an agency (standing), and what it offers (offered): of an agency, of
-- the province, or of a single dossier or offering, so a number and its explanation are one.
values
    ('on_time', finished_on_time, finished_due, excluded),
    ('on_time_first_due', finished_on_time_first, finished_due_first, excluded),
    ('no_due', finished - finished_due, finished, excluded),
    ('overdue_open', overdue, open, 0),
    ('progress_766', ended_on_time + open - overdue, carried_over + received_online + received_other, excluded),
    ('online_share', received_eligible_online, received_eligible, 0),
    ('online_share_all', received_online, received_online + received_other, 0),
    ('service_active', eligible_used, eligible, 0),
    ('service_active_online', eligible_used_online, eligible, 0),
    ('offered_online', eligible, offered, 0),
    ('integrated_national', eligible_integrated, eligible, 0),
    ('full_online', eligible_full, eligible, 0),
    ('paid_online', received_paid, received_fee, 0),
    ('payment_active', paying_online, paying, 0),
    ('digital_result', finished_digital, finished, excluded),
    ('digitised', received_digitised, received_online + received_other, 0),
    ('reused', received_reused, received_digitised, 0),
    ('synced', received_synced, received_online + received_other, 0),
    ('satisfied', satisfied, rated, 0)
