-- Adds the changes of one statement to those of its transaction. The rows are in the transition tables of the trigger.
create or replace function ledger.add_record_change() returns trigger language plpgsql set search_path = pg_catalog as $$
declare
    change numeric := 0;
begin
    if tg_op <> 'DELETE' then
        change := coalesce((select sum(hash_record_extended(r, 0)) from added r), 0);
    end if;
    if tg_op <> 'INSERT' then
        change := change - coalesce((select sum(hash_record_extended(r, 0)) from removed r), 0);
    end if;
    if change <> 0 then
        insert into ledger.record_change values (tg_table_schema || '.' || tg_table_name, pg_current_xact_id(), change)
        on conflict (table_name, transaction) do update set change = record_change.change + excluded.change;
    end if;
    return null;
end $$;
