-- Each agency with all agencies that followed it, one after the other, and the day on which it handed over.
with recursive followed as (
    select organisation_id, min(succeeded_by) as successor_id, min(succeeded_on) as since_on from record.organisation_version
    where succeeded_by is not null group by organisation_id
), chain as (
    select organisation_id, successor_id, since_on from followed
    union
    select c.organisation_id, f.successor_id, c.since_on from chain c join followed f on f.organisation_id = c.successor_id
)
select organisation_id, successor_id, since_on from chain where organisation_id <> successor_id
