-- Who may see which student. Run by bi_owner; running it again changes nothing.
--
-- bi       what people read; each table has policies
-- bi_data  the copies (partitions) behind bi; nobody has a right on it
-- access   grants, scopes and the functions that policies call; nobody has a right on it
create schema if not exists bi;
create schema if not exists bi_data;
create schema if not exists access;
create extension if not exists pgcrypto with schema access;
grant usage on schema bi to bi_staff, bi_analyst, bi_teacher, bi_guardian;

create sequence if not exists access.load_ids;

-- One row per table: which copy of it readers see.
create table if not exists access.served (
    table_name text primary key,
    load_id bigint not null,
    fingerprint text not null,
    row_count bigint not null,
    loaded_at timestamptz not null
);

-- Copies that open transactions may still read.
create table if not exists access.superseded (
    table_name text not null,
    load_id bigint not null,
    superseded_at timestamptz not null
);

create table if not exists access.viewer_key (key bytea not null);

create table if not exists bi.release (
    table_name text primary key,
    release_id integer not null,
    as_of_date date,
    row_count bigint not null,
    loaded_at timestamptz not null,
    published_at timestamptz not null
);
comment on table bi.release is
'One row per table: which release is served, and when its rows were last copied.';
grant select on bi.release to bi_staff, bi_analyst, bi_teacher, bi_guardian;

create or replace function access.served_load(name text) returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select load_id from access.served where table_name = name $$;

-- Who asks: the login itself, which SET ROLE does not change. For a shared account it is whom the
-- setting district.viewer names, as login|expiry in seconds since 1970|HMAC-SHA256 of both.
create or replace function access.viewer() returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    token text[] := string_to_array(current_setting('district.viewer', true), '|');
    signed text;
begin
    if not pg_has_role(session_user, 'bi_shared', 'member') then
        return lower(session_user);
    end if;
    if coalesce(array_length(token, 1), 0) <> 3 or token[2] !~ '^[0-9]{1,11}$' then
        return null;
    end if;
    if to_timestamp(token[2]::bigint) <= clock_timestamp() then
        return null;
    end if;
    select encode(access.hmac(convert_to(token[1] || '|' || token[2], 'UTF8'), key, 'sha256'), 'hex')
    into signed
    from access.viewer_key;
    return case when signed = token[3] then lower(token[1]) end;
end
$$;

-- The same for a table of students: the server's log says who read it. The reader can neither
-- prevent this nor see it.
create or replace function access.served_load_of_students(name text) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    raise log 'DISCLOSURE: table=% viewer=%', name, coalesce(access.viewer(), 'nobody');
    return access.served_load(name);
end
$$;

-- The scopes that the viewer has today. The day is UTC's: a client may set its own time zone.
-- A function in a sub-select is asked once, else once per row.
create or replace function access.scopes(out scope text, out scope_id text) returns setof record
language sql stable rows 10 security definer set search_path = pg_catalog, pg_temp
as $$
    select scope, scope_id
    from access.access_grants
    where
        load_id = (select access.served_load('access_grants'))
        and login = (select access.viewer())
        and valid_from <= (clock_timestamp() at time zone 'UTC')::date
        and (valid_until is null or (clock_timestamp() at time zone 'UTC')::date < valid_until)
$$;

-- True when the viewer's districts are all there are: then no list of students is needed.
create or replace function access.sees_all() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select
        exists (
            select from access.districts
            where load_id = (select access.served_load('districts'))
        )
        and not exists (
            select from access.districts
            where
                load_id = (select access.served_load('districts'))
                and not exists (
                    select from access.scopes() as mine
                    where mine.scope = 'district' and mine.scope_id = districts.district_id
                )
        )
$$;

create or replace function access.visible_students() returns setof text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select distinct members.student_id
    from access.scopes() as mine
    inner join access.student_scopes as members
        on mine.scope = members.scope and mine.scope_id = members.scope_id
    where members.load_id = (select access.served_load('student_scopes'))
$$;

-- The same as an array: an index can look it up.
create or replace function access.visible_student_ids() returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select coalesce(array_agg(student_id), '{}') from access.visible_students() as student_id $$;

revoke execute on all functions in schema access from public;
grant execute on function
    access.served_load(text), access.served_load_of_students(text), access.sees_all(),
    access.visible_students(), access.visible_student_ids()
to bi_staff, bi_analyst, bi_teacher, bi_guardian;
