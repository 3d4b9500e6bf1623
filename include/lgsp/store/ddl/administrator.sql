-- What only a superuser can take from every login of this database: `lgsp init` runs it where its user is one, elsewhere the administrator
-- runs it once in the database (psql -f). The store uses no large objects, which any login could fill the disk with, and no messages in the
-- log of transactions.
do $$
declare
    routine regprocedure;
begin
    for routine in
        select oid from pg_proc where pronamespace = 'pg_catalog'::regnamespace
            and (proname like 'lo\_%' or proname in ('loread', 'lowrite', 'pg_logical_emit_message'))
            and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)
    loop
        execute format('revoke execute on function %s from public', routine);
    end loop;
    -- connections that readers cannot take, from PostgreSQL 16 (reserved_connections)
    if to_regrole('pg_use_reserved_connections') is not null and to_regrole('lgsp_writer') is not null
            and not pg_has_role('lgsp_writer', 'pg_use_reserved_connections', 'member') then
        execute 'grant pg_use_reserved_connections to lgsp_writer with inherit true, set false';
    end if;
end $$;
