-- Creates the two databases of an installation, each with its own owner, and closes what no reader needs. PostgreSQL's image
-- runs this once, when its volume is empty.
\set ON_ERROR_STOP on
\getenv lgsp_password LGSP_DATABASE_PASSWORD
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD

-- `lgsp init` creates the roles of readers and writers, so this login may create roles.
create role lgsp login createrole password :'lgsp_password';
create database lgsp owner lgsp;

create role airflow login password :'airflow_password';
create database airflow owner airflow;
revoke all on database airflow, postgres, template1 from public;

-- They get a connection whatever readers hold: see reserved_connections in docker-compose.yml.
grant pg_use_reserved_connections to lgsp, airflow;
-- To limit the temporary files of readers.
grant set on parameter temp_file_limit to lgsp;

\connect lgsp
\i /administrator.sql
