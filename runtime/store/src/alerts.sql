-- times are microseconds since 1970 in UTC, ids are hex digits, bodies are JSON
create table if not exists alerts (
    id text primary key,
    detection text not null,
    severity integer not null,
    match_count integer not null,
    created_at integer not null,
    updated_at integer not null,
    activated_at integer,
    body text not null,
    state blob not null
) without rowid;
create index if not exists alerts_by_change on alerts (updated_at);

-- every match that ever went in: what makes taking in the same one again do nothing
create table if not exists alert_matches (
    id blob primary key,
    alert text not null
) without rowid;
create index if not exists alert_matches_by_alert on alert_matches (alert);

-- rows on their way into the lake
create table if not exists alert_rows (
    seq integer primary key autoincrement,
    match_id blob not null,
    body text not null,
    batch text
);
create index if not exists alert_rows_by_batch on alert_rows (batch) where batch is not null;

-- what a destination knows of an alert
create table if not exists alert_lanes (
    alert text not null,
    destination text not null,
    delivered text,
    delivered_at integer,
    provider text,
    primary key (alert, destination)
) without rowid;

-- what a destination is to hear; dead letters have a reason and a time of death
create table if not exists alert_outbox (
    seq integer primary key autoincrement,
    key text not null,
    alert text not null,
    destination text not null,
    kind text not null,
    body text not null,
    attempts integer not null default 0,
    due_at integer not null,
    leased_until integer,
    reason text,
    dead_at integer
);
create index if not exists alert_outbox_by_lane on alert_outbox (alert, destination, seq);
create index if not exists alert_outbox_by_time on alert_outbox (destination, due_at) where dead_at is null;

-- destinations that are left alone for a while
create table if not exists alert_holds (
    destination text primary key,
    until integer not null
) without rowid;
