-- The newest listing of each message: a message that is delivered again is listed again on a later day.
select docId, max(createdTime) as changed, arg_max(messageType, createdTime) as type from messages group by 1
