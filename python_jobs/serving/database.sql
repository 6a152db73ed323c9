-- What the administrator sets in the database itself; running it again changes nothing.
-- {database} is its name.
revoke all on database {database} from public;
grant create, connect, temporary on database {database} to bi_owner;
grant connect on database {database} to bi_publisher, bi_staff, bi_analyst, bi_teacher, bi_guardian;
revoke all on schema public from public;
alter database {database} set search_path = bi;

-- A reader who keeps a table from being replaced for minutes is disconnected.
grant pg_signal_backend to bi_owner;

-- Readers ask in SQL; they run no programs, and keep nothing on the server.
revoke usage on language plpgsql from public;
grant usage on language plpgsql to bi_owner;
revoke usage on language sql from public;
grant usage on language sql to bi_owner;
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public;
revoke execute on function lo_open(oid, integer), lo_unlink(oid), lo_put(oid, bigint, bytea) from public;
