-- Roles, made by the server's administrator; running it again changes nothing.
-- bi_owner owns everything and cannot log in; bi_publisher may become it.
-- A login is a member of one group: bi_staff and bi_analyst read by wide policies, bi_teacher and
-- bi_guardian by narrow ones. A login in bi_shared says by a signed token for whom it asks.
do $$
declare
    name text;
begin
    foreach name in array array[
        'bi_owner', 'bi_staff', 'bi_analyst', 'bi_teacher', 'bi_guardian', 'bi_shared'
    ] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I nologin', name);
        end if;
    end loop;
    if not exists (select from pg_roles where rolname = 'bi_publisher') then
        create role bi_publisher login connection limit 10;
    end if;
end
$$;
grant bi_owner to bi_publisher;
