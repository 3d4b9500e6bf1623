-- The rights of each role: lgsp_owner owns, lgsp_writer loads, lgsp_reader reads what is shared, lgsp_operator monitors, lgsp_api answers readers over HTTP.
-- First all rights are revoked: an older version may have granted more, and PostgreSQL lets every role run a function.
revoke all on all tables in schema shared, history, ledger, record, indicator, restricted from public, lgsp_writer, lgsp_reader, lgsp_operator, lgsp_api;
revoke all on all sequences in schema shared, history, ledger, record, indicator, restricted from public, lgsp_writer, lgsp_reader, lgsp_operator, lgsp_api;
revoke all on all functions in schema shared, history, ledger, record, indicator, restricted from public, lgsp_writer, lgsp_reader, lgsp_operator, lgsp_api;

-- Readers get no temporary tables, which have no quota.
do $$ begin
    execute format('revoke temporary on database %I from public', current_database());
    execute format('grant temporary on database %I to lgsp_owner, lgsp_writer', current_database());
    execute format('grant connect on database %I to lgsp_owner, lgsp_writer, lgsp_reader, lgsp_operator', current_database());
end $$;

grant usage on schema shared, history, ledger, record, indicator, restricted to lgsp_writer;
grant select, insert, update, delete on all tables in schema ledger, record, restricted to lgsp_writer;
grant select, insert, delete on all tables in schema shared, history, indicator to lgsp_writer;  -- a version is replaced, never rewritten
revoke delete on ledger.publication, ledger.batch from lgsp_writer;
revoke update, delete on ledger.publication_table, ledger.source_call, ledger.organisation_decision, ledger.decision, ledger.signing_key from lgsp_writer;
revoke insert, update, delete on ledger.table_rule, ledger.source, ledger.migration, ledger.reader from lgsp_writer;
revoke insert, delete on ledger.publish_lock from lgsp_writer;  -- who may update a table may lock it
grant usage on all sequences in schema ledger to lgsp_writer;
-- To collect statistics within a publication. Before PostgreSQL 17 only the owner of a table can.
do $$ begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on all tables in schema record, shared, indicator to lgsp_writer';
    end if;
end $$;
grant execute on all functions in schema shared, history, ledger to lgsp_writer;

grant usage on schema shared, history to lgsp_reader;
grant select on all tables in schema shared, history to lgsp_reader;
grant execute on all functions in schema shared, history to lgsp_reader;
grant execute on function ledger.agencies_of_reader(text) to lgsp_reader;  -- for row security; without usage on the schema no query can name it

grant usage on schema ledger, shared, history to lgsp_operator;
grant select on all tables in schema ledger, shared, history to lgsp_operator;
grant execute on all functions in schema shared, history to lgsp_operator;

grant usage on schema ledger, shared, history to lgsp_api;
grant select on all tables in schema shared, history to lgsp_api;
grant select on ledger.reader, ledger.publication_table to lgsp_api;  -- accounts by the hash of their token; hashes of tables
grant execute on all functions in schema shared, history to lgsp_api;
