-- Creates the two databases of an installation, each with its own owner. PostgreSQL's image runs this once, when its
-- volume is empty.
\set ON_ERROR_STOP on
\getenv lgsp_password LGSP_DATABASE_PASSWORD
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD

-- `lgsp init` creates the roles of readers and writers, so this login may create roles.
create role lgsp login createrole password :'lgsp_password';
create database lgsp owner lgsp;

create role airflow login password :'airflow_password';
create database airflow owner airflow;
revoke connect on database airflow from public;
