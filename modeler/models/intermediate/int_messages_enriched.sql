{{ config(materialized='view', schema='intermediate') }}

-- One row per message of the fact: prompts of people, and responses. Tool-result carriers, reminders, notifications and
-- the prompts that agents are given stay behind in staging.
with messages as (
    select
        *,
        timezone('{{ var('report_tz', 'UTC') }}', effective_timestamp) as local_time,
        -- The time of its arrival says nothing of how long it took.
        case when timestamp_source = 'timestamp' then effective_timestamp end as written_at
    from {{ ref('stg_messages') }}
    where message_kind in ('prompt', 'queued_command', 'bash', 'slash_command', 'response', 'api_error')
),

sequenced as (
    select
        *,
        row_number() over in_session as message_sequence,
        count(*) filter (where role = 'user') over in_session as turn_number,
        lag(role) over in_thread as previous_role,
        lag(written_at) over in_thread as previous_written_at
    from messages
    window
        in_session as (partition by session_id order by record_number rows between unbounded preceding and current row),
        in_thread as (partition by session_id, is_sidechain, agent_id order by record_number)
),

final as (
    select
        -- ids
        sequenced.message_id,
        sequenced.session_id,
        sequenced.record_key,
        sequenced.request_id,
        sequenced.agent_id,
        sequenced.prompt_id,

        -- what it is
        sequenced.role,
        sequenced.message_kind,
        sequenced.is_sidechain,
        sequenced.is_nested,
        sequenced.is_api_error,
        coalesce(turns.task_category, 'other') as task_category,

        -- place
        sequenced.message_sequence,
        sequenced.turn_number,
        sequenced.previous_role,
        case
            when sequenced.previous_role is null then 'conversation_start'
            when sequenced.role = 'user' and sequenced.previous_role = 'assistant' then 'follow_up'
            when sequenced.role = 'assistant' and sequenced.previous_role = 'user' then 'response'
            else 'continuation'
        end as turn_type,
        epoch_ms(sequenced.written_at) - epoch_ms(sequenced.previous_written_at) as milliseconds_since_previous,
        sequenced.record_number,
        sequenced.record_count,

        -- time
        sequenced.effective_timestamp,
        sequenced.written_at,
        sequenced.completed_at,
        sequenced.local_time::date as date_key,
        timezone('UTC', sequenced.effective_timestamp)::date as date_utc,
        hour(sequenced.local_time) as hour_of_day,
        dayofweek(sequenced.local_time) as day_of_week,
        case
            when hour(sequenced.local_time) between 6 and 11 then 'morning'
            when hour(sequenced.local_time) between 12 and 17 then 'afternoon'
            when hour(sequenced.local_time) between 18 and 21 then 'evening'
            else 'night'
        end as time_of_day,
        case when dayofweek(sequenced.local_time) in (0, 6) then 'weekend' else 'weekday' end as day_type,

        -- envelope
        sequenced.cwd,
        sequenced.git_branch,
        sequenced.cli_version,
        sequenced.permission_mode,

        -- content
        sequenced.text_length,
        sequenced.thinking_length,
        sequenced.tool_input_length,
        sequenced.text_block_count,
        sequenced.thinking_block_count,
        sequenced.tool_use_count,
        sequenced.attachment_count,
        sequenced.code_block_count,
        sequenced.code_languages,
        sequenced.code_block_count > 0 as has_code_block,
        sequenced.has_url,
        sequenced.is_question,

        -- usage
        sequenced.has_usage,
        sequenced.model,
        sequenced.stop_reason,
        sequenced.effort,
        sequenced.input_tokens,
        sequenced.output_tokens,
        sequenced.cache_read_tokens,
        sequenced.cache_creation_tokens,
        sequenced.cache_creation_5m_tokens,
        sequenced.cache_creation_1h_tokens,
        sequenced.web_search_requests,
        sequenced.web_fetch_requests,
        sequenced.speed,
        sequenced.inference_geo,
        sequenced.service_tier
    from sequenced
    left join {{ ref('int_turns') }} as turns
        on turns.session_id = sequenced.session_id and turns.turn_number = sequenced.turn_number
)

select * from final
