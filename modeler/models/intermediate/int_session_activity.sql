{{ config(materialized='view', schema='intermediate') }}

-- Active time by session, day and turn. The time from one main-thread record to the next counts up to five minutes, and
-- belongs to the turn of the first; what reaches over midnight is split there.
with records as (
    select
        session_id,
        record_number,
        effective_timestamp as happened_at,
        timezone('{{ var('report_tz', 'UTC') }}', effective_timestamp)::date as date_key
    from {{ ref('stg_conversations') }}
    where is_message and not is_sidechain and timestamp_source = 'timestamp'
),

gaps as (
    select
        session_id,
        lag(record_number) over in_session as record_number,
        lag(happened_at) over in_session as started_at,
        lag(date_key) over in_session as started_on,
        date_key as next_on,
        least(epoch_ms(happened_at) - epoch_ms(lag(happened_at) over in_session), 300000) as active_ms
    from records
    window in_session as (partition by session_id order by record_number)
),

intervals as (
    select
        *,
        case
            when started_on = next_on then started_on
            else timezone('{{ var('report_tz', 'UTC') }}', started_at + to_milliseconds(active_ms))::date
        end as ended_on
    from gaps
    where active_ms > 0
),

-- Where clocks go back from one o'clock to midnight, a day has two of them: it begins with the first, the second is what
-- the date alone gives.
over_midnight as (
    select
        *,
        timezone('{{ var('report_tz', 'UTC') }}', ended_on::timestamp) as midnight,
        epoch_ms(case
            when timezone('{{ var('report_tz', 'UTC') }}', midnight - interval 1 hour)::date = ended_on then midnight - interval 1 hour
            else midnight
        end) - epoch_ms(started_at) as ms_before
    from intervals
    where ended_on > started_on
),

parts as (
    select
        session_id,
        record_number,
        started_on as date_key,
        active_ms
    from intervals
    where ended_on = started_on
    union all
    select session_id, record_number, started_on, ms_before from over_midnight
    union all
    select session_id, record_number, ended_on, active_ms - ms_before from over_midnight
),

-- A turn's number is carried on to the records behind its prompt, by a window: an as-of join of two temporary tables
-- is planned as nested loops.
placed as (
    select
        session_id,
        record_number,
        date_key,
        active_ms,
        null::bigint as turn_number,
        null::varchar as task_category
    from parts
    where active_ms > 0
    union all
    select session_id, record_number, null, null, turn_number, task_category
    from {{ ref('int_turns') }}
),

carried as (
    select
        session_id,
        date_key,
        active_ms,
        last_value(turn_number ignore nulls) over in_session as turn_number,
        last_value(task_category ignore nulls) over in_session as task_category
    from placed
    window in_session as (
        partition by session_id order by record_number, turn_number is null, date_key
        rows between unbounded preceding and current row
    )
),

final as (
    select
        session_id,
        date_key,
        coalesce(turn_number, 0) as turn_number,
        coalesce(task_category, 'other') as task_category,
        sum(active_ms)::bigint as active_ms
    from carried
    where active_ms is not null
    group by all
)

select * from final
