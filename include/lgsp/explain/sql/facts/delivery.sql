-- The published columns of each delivery of the number.
select unit_id, document_id, sender_organisation_id, recipient_organisation_id, issued_on, sent_at, arrived_at, accepted_at, rejected_at, status
from unit join shared.document_delivery
    on (document_id, recipient_organisation_id) = (split_part(unit_id, chr(31), 2), split_part(unit_id, chr(31), 3))
where kind = 'delivery'
