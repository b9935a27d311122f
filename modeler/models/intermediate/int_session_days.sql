{{ config(materialized='incremental', schema='intermediate', unique_key='session_day_key', meta={'refresh_by': 'session_id'}) }}

-- One row per session and day on which it was active; what the models keyed by date or project count sessions by.
with sessions as (
    select session_id, project_id, session_start, date_key
    from {{ ref('int_sessions_computed') }}
),

days as (
    select
        session_id,
        timezone('{{ var('report_tz', 'UTC') }}', effective_timestamp)::date as date_key,
        effective_timestamp,
        is_message
    from {{ ref('stg_conversations') }}
    where is_session_record
),

record_days as (
    select
        session_id,
        date_key,
        count(*) as record_count,
        min(effective_timestamp) as first_at,
        max(effective_timestamp) as last_at
    from days
    group by session_id, date_key
),

active_days as (
    select session_id, date_key, sum(active_ms)::bigint as active_ms
    from {{ ref('int_session_activity') }}
    group by session_id, date_key
),

-- A session without any time of its own stands on the day its records arrived.
start_days as (
    select session_id, date_key from record_days
    union
    select session_id, date_key from active_days
    union
    select session_id, date_key from sessions
),

final as (
    select
        md5(start_days.session_id || ':' || start_days.date_key) as session_day_key,
        md5(start_days.session_id) as session_key,
        start_days.session_id,
        sessions.project_id,
        start_days.date_key,
        start_days.date_key = sessions.date_key as is_first_day,
        coalesce(record_days.record_count, 0) as record_count,
        coalesce(active_days.active_ms, 0) as active_ms,
        coalesce(epoch_ms(record_days.last_at) - epoch_ms(record_days.first_at), 0) as wall_ms
    from start_days
    join sessions on sessions.session_id = start_days.session_id
    left join record_days
        on record_days.session_id = start_days.session_id and record_days.date_key = start_days.date_key
    left join active_days
        on active_days.session_id = start_days.session_id and active_days.date_key = start_days.date_key
)

select * from final
