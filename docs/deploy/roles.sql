-- Four roles on PostgreSQL, to be run by a superuser in Kalender's own database, as often as wanted:
-- before the first `kalender db upgrade` (which the owner runs) and once after it.
--
--     psql -d kalender -f roles.sql
--     psql -d kalender -c '\password kalender_owner'      and so for the others
--
-- kalender_owner     the tables are this role's: db upgrade, nothing else
-- kalender_service   listener, worker, resync and every command: all rows, no table
-- kalender_operator  a person who looks: reads everything, writes only that they looked
-- kalender_web       kalender web: reads what its pages show, writes who looked and what operators wish

DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['kalender_owner', 'kalender_service', 'kalender_operator', 'kalender_web'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', wanted);
    END IF;
  END LOOP;
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO kalender_owner, kalender_service, kalender_operator, kalender_web',
                 current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO kalender_owner, kalender_service',
                 current_database());
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO kalender_owner;
GRANT USAGE ON SCHEMA public TO kalender_service, kalender_operator, kalender_web;

-- what is there
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO kalender_service;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO kalender_service;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO kalender_operator, kalender_web;

-- what migrations will make; views are made anew by each
ALTER DEFAULT PRIVILEGES FOR ROLE kalender_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kalender_service;
ALTER DEFAULT PRIVILEGES FOR ROLE kalender_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO kalender_service;
ALTER DEFAULT PRIVILEGES FOR ROLE kalender_owner IN SCHEMA public
  GRANT SELECT ON TABLES TO kalender_operator, kalender_web;

-- nobody but the owner says which revision the tables are of
DO $$
BEGIN
  IF to_regclass('public.alembic_version') IS NOT NULL THEN
    REVOKE INSERT, UPDATE, DELETE ON public.alembic_version FROM kalender_service;
  END IF;
  -- no page shows what a message that could not be read holds: it may name anybody
  IF to_regclass('public.rejected_notification') IS NOT NULL THEN
    REVOKE SELECT ON public.rejected_notification FROM kalender_web;
    GRANT SELECT (rejected_id, received_at, queue, routing_key, reason)
      ON public.rejected_notification TO kalender_web;
  END IF;
  -- who looked is written down: also by who may only look
  IF to_regclass('public.look_up') IS NOT NULL THEN
    GRANT INSERT ON public.look_up TO kalender_operator, kalender_web;
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO kalender_operator, kalender_web',
                   pg_get_serial_sequence('public.look_up', 'look_up_id'));
  END IF;
  -- what operators wish on pages: the act, the work that is marked, and what says what is wished
  IF to_regclass('public.listed_person') IS NOT NULL THEN
    GRANT INSERT ON public.operator_act, public.dirty TO kalender_web;
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO kalender_web',
                   pg_get_serial_sequence('public.operator_act', 'act_id'));
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO kalender_web',
                   pg_get_serial_sequence('public.let_through', 'let_through_id'));
    GRANT UPDATE (generation, reason, cause, priority, due_at, first_marked_at, attempts, parked_at,
                  not_before) ON public.dirty TO kalender_web;
    GRANT UPDATE (must_verify, doubles, taking_back, synced_digest) ON public.calendar TO kalender_web;
    GRANT UPDATE (look_at) ON public.move TO kalender_web;
    GRANT INSERT, DELETE, UPDATE (source) ON public.preference TO kalender_web;
    GRANT INSERT, UPDATE (held_until, held_reason, held_by, refused, trial_until, paused_until,
                          probe_token, probe_until, changed_at) ON public.neighbour TO kalender_web;
    GRANT INSERT, DELETE, UPDATE (state, reason, set_at, from_at, until_at, up_to)
      ON public.brake TO kalender_web;
    GRANT INSERT, DELETE ON public.let_through TO kalender_web;
    GRANT UPDATE (fs_asked_at, emptied_at) ON public.person TO kalender_web;
    GRANT DELETE, UPDATE (state) ON public.listed_person TO kalender_web;
  END IF;
END $$;
