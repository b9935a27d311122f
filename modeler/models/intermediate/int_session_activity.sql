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

parts as (
    select
        session_id,
        record_number,
        started_on as date_key,
        case
            when ended_on = started_on then active_ms
            else epoch_ms(timezone('{{ var('report_tz', 'UTC') }}', ended_on::timestamp)) - epoch_ms(started_at)
        end as active_ms
    from intervals
    union all
    select
        session_id,
        record_number,
        ended_on,
        epoch_ms(started_at) + active_ms - epoch_ms(timezone('{{ var('report_tz', 'UTC') }}', ended_on::timestamp))
    from intervals
    where ended_on > started_on
),

final as (
    select
        parts.session_id,
        parts.date_key,
        coalesce(turns.turn_number, 0) as turn_number,
        coalesce(turns.task_category, 'other') as task_category,
        sum(parts.active_ms)::bigint as active_ms
    from parts
    asof left join {{ ref('int_turns') }} as turns
        on turns.session_id = parts.session_id and turns.record_number <= parts.record_number
    where parts.active_ms > 0
    group by all
)

select * from final
