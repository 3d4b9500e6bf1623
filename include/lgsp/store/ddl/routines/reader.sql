-- The agencies whose facts a reader may see: those of its account, those below them and their predecessors, transitively. Each agency as
-- its newest version has it. None for a reader without facts, and for a login that has no account.
create or replace function ledger.agencies_of_reader(reader text) returns text[]
    language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
    with recursive newest as (
        select distinct on (organisation_id) organisation_id, parent_id, successor_id
        from shared.organisation order by organisation_id, valid_from desc
    ), visible (organisation_id) as (
        select unnest(r.agencies) from ledger.reader r where r.name = reader and r.scope = 'all'
        union
        select n.organisation_id from visible v join newest n on v.organisation_id in (n.parent_id, n.successor_id)
    )
    select coalesce(array_agg(organisation_id), '{}') from visible
$$;

-- Ends the sessions of readers that exceed a limit, and says why. A login may change its own time-outs, so they alone limit nothing.
-- It runs with the rights of its caller, who must be a superuser, or a member of lgsp_owner, which is a member of every account.
create or replace function ledger.end_reader_sessions(statement_seconds integer, transaction_seconds integer, session_seconds integer)
    returns table (pid integer, usename name, why text)
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    with lock_count as (
        select l.pid, count(*) as locks from pg_locks l where l.locktype = 'advisory' group by l.pid
    ), offender as materialized (
        select a.pid, a.usename, case
            when r.rolvaliduntil < clock_timestamp() then 'the account is expired'
            when a.state = 'active' and a.query_start < clock_timestamp() - make_interval(secs => statement_seconds)
                then format('a statement runs for more than %s s', statement_seconds)
            when a.xact_start < clock_timestamp() - make_interval(secs => transaction_seconds)
                then format('a transaction is open for more than %s s', transaction_seconds)
            when a.backend_start < clock_timestamp() - make_interval(secs => session_seconds)
                then format('the session lasts for more than %s s', session_seconds)
            when c.locks > 100 then format('%s advisory locks fill the lock table of the server', c.locks)
        end as why
        from pg_stat_activity a join pg_roles r on r.oid = a.usesysid left join lock_count c on c.pid = a.pid
        where a.datname = current_database() and a.pid <> pg_backend_pid() and not r.rolsuper
            and pg_has_role(r.oid, to_regrole('lgsp_reader')::oid, 'member') and pg_has_role(r.oid, 'usage')
            and not exists (
                select from unnest(array['lgsp_owner', 'lgsp_writer', 'lgsp_operator']) other
                where pg_has_role(r.oid, to_regrole(other)::oid, 'member')
            )
    )
    select o.pid, o.usename, o.why from offender o where o.why is not null and pg_terminate_backend(o.pid)
$$;
