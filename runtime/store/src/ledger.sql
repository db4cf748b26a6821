create table if not exists objects (
    id text primary key,
    object text not null,
    state text not null check (state in ('claimed', 'done', 'dead')),
    attempt integer not null,
    failures integer not null default 0,
    owner text not null,
    lease_until integer not null,
    reason text,
    report text
) without rowid;
create index if not exists objects_state on objects (state);

create table if not exists files (
    key text primary key,
    file text not null,
    table_name text not null,
    staged_at integer not null,
    batch text,
    committed integer not null default 0,
    seen integer not null default 0,
    seer text,
    seer_until integer
) without rowid;
create index if not exists files_pending on files (staged_at, key) where batch is null;
create index if not exists files_unseen on files (staged_at, key) where seen = 0;
create index if not exists files_batch on files (batch);
create index if not exists files_disposable on files (key) where committed = 1 and seen = 1;

create table if not exists batches (
    id text primary key,
    table_name text not null,
    owner text not null,
    lease_until integer not null,
    opened_at integer not null,
    done_at integer
) without rowid;
create index if not exists batches_open on batches (opened_at, id) where done_at is null;
