-- Roles for a PostgreSQL of your own, each with no more than it needs. Run it in mrilu's database as its owner (a
-- superuser, or a role with CREATEROLE), after the first start has made the schema, and again after an upgrade
-- (./run.sh restore does so by itself):
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f docs/roles.sql
--
-- then give each role a way in: ALTER ROLE mrilu_worker LOGIN PASSWORD '...'.
--
--   owner of the tables  ./run.sh on the first machine (migrations), rq worker embed (makes indexes), backup, restore
--   mrilu_worker         the watcher, the scheduler, rq worker mail and default:  DATABASE_URL
--   mrilu_web            the web pages:                                           WEB_DATABASE_URL

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mrilu_worker') THEN CREATE ROLE mrilu_worker; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mrilu_web') THEN CREATE ROLE mrilu_web; END IF;
END
$$;

-- Workers read and write every table, have temporary ones, and renew statistics; they change no schema.
SELECT format('GRANT TEMPORARY ON DATABASE %I TO mrilu_worker', current_database()) \gexec
GRANT USAGE ON SCHEMA public TO mrilu_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mrilu_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO mrilu_worker;
REVOKE INSERT, UPDATE, DELETE ON schema_migration FROM mrilu_worker;
-- PostgreSQL 17 and newer; before, ANALYZE is autovacuum's alone
SELECT 'GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO mrilu_worker'
 WHERE current_setting('server_version_num')::integer >= 170000 \gexec

-- The web reads. What it writes is what subscribers ask for, confirm, choose and give up.
GRANT USAGE ON SCHEMA public TO mrilu_web;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mrilu_web;
GRANT INSERT ON token_key TO mrilu_web;
GRANT INSERT ON subscriber TO mrilu_web;
GRANT UPDATE (locale, timezone, digest, digest_hour, unsubscribed, suppressed_at, suppressed_reply)
   ON subscriber TO mrilu_web;
GRANT INSERT, DELETE ON subscription TO mrilu_web;
GRANT UPDATE (confirmed_at) ON subscription TO mrilu_web;
GRANT INSERT ON subscription_lexeme TO mrilu_web;
GRANT INSERT, UPDATE ON notification TO mrilu_web;
-- To try rejected mail again from /status; to withhold a message takes ./run.sh, as another role.
GRANT UPDATE (parser_version) ON rejected TO mrilu_web;
ALTER ROLE mrilu_web SET statement_timeout = '30s';
