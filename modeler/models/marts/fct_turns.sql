{{ config(materialized='incremental', schema='marts', unique_key='turn_key', meta={'refresh_by': 'session_id'}) }}

-- One row per turn: a prompt and what follows until the next one. What stands before the first prompt is turn 0.
with turns as (
    select * from {{ ref('int_turns') }}
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
),

messages as (
    select
        session_id,
        turn_number,
        min(effective_timestamp) as first_at,
        max(greatest(completed_at, effective_timestamp)) as last_at,
        min(written_at) filter (where role = 'user') as asked_at,
        min(written_at) filter (where role = 'assistant' and not is_sidechain) as answered_at,
        count(*) filter (where message_kind = 'response') as response_count,
        count(*) filter (where is_api_error) as api_error_count,
        coalesce(sum(text_length) filter (where role = 'assistant'), 0)::bigint as response_length
    from {{ ref('int_messages_enriched') }}
    group by session_id, turn_number
),

requests as (
    select
        session_id,
        turn_number,
        count(*) filter (where not is_api_error) as api_requests,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as cost_usd,
        coalesce(sum(cost_usd) filter (where is_sidechain), 0) as subagent_cost_usd,
        count(*) filter (where not is_priced) as unpriced_requests,
        count(*) filter (where output_is_lower_bound) as lower_bound_requests,
        mode(model order by model) filter (where not is_api_error) as model
    from {{ ref('fct_api_requests') }}
    group by session_id, turn_number
),

tool_calls as (
    select
        session_id,
        turn_number,
        min(effective_timestamp) as first_at,
        max(greatest(answered_at, effective_timestamp)) as last_at,
        count(*) as tool_call_count,
        count(*) filter (where status in ('error', 'timeout')) as tool_error_count,
        count(*) filter (where status = 'rejected') as tool_rejected_count,
        count(distinct tool_name) as unique_tools_used,
        count(distinct subagent_id) as subagent_count,
        bool_or(status = 'interrupted') as is_interrupted,
        case
            when bool_or(tool_name in ('Agent', 'Task')) then 'delegation'
            when bool_or(status = 'success' and coalesce(operation_type, 'none') in ('write', 'edit', 'multi_edit')) then 'coding'
            when bool_or(command_kind = 'test') then 'testing'
            when bool_or(command_kind = 'git') then 'git_ops'
            when bool_or(command_kind = 'build') then 'build_deploy'
            when bool_or(permission_mode = 'plan') or bool_or(tool_name = 'ExitPlanMode') or bool_and(tool_category = 'planning') then 'planning'
            when bool_and(coalesce(operation_type, 'none') = 'read' or tool_category in ('search', 'network', 'planning')) then 'exploration'
            else 'other'
        end as task_activity
    from {{ ref('int_tool_usage') }}
    where status <> 'orphan_result'
    group by session_id, turn_number
),

active as (
    select session_id, turn_number, sum(active_ms)::bigint as active_ms
    from {{ ref('int_session_activity') }}
    group by session_id, turn_number
),

-- Records that say something of the turn they stand in: how long it took by the CLI's clock, and that it was interrupted.
remarks as (
    select
        records.session_id,
        records.record_number,
        try_cast(json_extract_string(documents.attributes, '$.durationMs') as bigint) as duration_ms,
        false as is_interruption
    from {{ ref('stg_conversations') }} as records
    join {{ source('raw', 'conversations') }} as documents on documents._key = records.record_key
    where records.entry_type = 'system' and records.subtype = 'turn_duration'
    union all
    select session_id, record_number, null, true
    from {{ ref('stg_messages') }}
    where message_kind = 'interruption' and not is_sidechain
),

-- A turn's number is carried on to the records behind its prompt.
placed as (
    select session_id, record_number, duration_ms, is_interruption, null::bigint as turn_number
    from remarks
    union all
    select session_id, record_number, null, false, turn_number
    from turns
),

carried as (
    select
        session_id,
        duration_ms,
        is_interruption,
        coalesce(last_value(turn_number ignore nulls) over (
            partition by session_id order by record_number, turn_number is null, duration_ms, is_interruption
            rows between unbounded preceding and current row
        ), 0) as turn_number
    from placed
),

remarked as (
    select
        session_id,
        turn_number,
        sum(case when duration_ms between 0 and 1000000000000 then duration_ms end)::bigint as turn_duration_ms,
        bool_or(is_interruption) as is_interrupted
    from carried
    group by session_id, turn_number
),

numbers as (
    select session_id, turn_number from turns
    union
    select session_id, turn_number from messages
    union
    select session_id, turn_number from tool_calls
),

timed as (
    select
        numbers.session_id,
        numbers.turn_number,
        coalesce(turns.started_at, least(messages.first_at, tool_calls.first_at)) as started_at,
        greatest(turns.started_at, messages.last_at, tool_calls.last_at) as ended_at
    from numbers
    left join turns on turns.session_id = numbers.session_id and turns.turn_number = numbers.turn_number
    left join messages on messages.session_id = numbers.session_id and messages.turn_number = numbers.turn_number
    left join tool_calls on tool_calls.session_id = numbers.session_id and tool_calls.turn_number = numbers.turn_number
),

final as (
    select
        md5(concat_ws(':', timed.session_id, timed.turn_number)) as turn_key,
        md5(timed.session_id) as session_key,
        timezone('{{ var('report_tz', 'UTC') }}', timed.started_at)::date as date_key,
        sessions.project_id,
        coalesce(turns.task_category, 'other') as task_category,

        -- ids
        timed.session_id,
        timed.turn_number,
        md5(turns.message_id) as message_key,
        coalesce(turns.message_kind, 'none') as prompt_kind,
        coalesce(turns.is_continuation, false) as is_continuation,

        -- time
        timed.started_at,
        timed.ended_at,
        coalesce(active.active_ms, 0) // 1000 as active_seconds,
        remarked.turn_duration_ms,
        case when messages.answered_at >= messages.asked_at then epoch_ms(messages.answered_at) - epoch_ms(messages.asked_at) end as first_response_ms,
        coalesce(remarked.is_interrupted, false) or coalesce(tool_calls.is_interrupted, false) as is_interrupted,

        -- work
        coalesce(tool_calls.task_activity, 'conversation') as task_activity,
        coalesce(messages.response_count, 0) as response_count,
        coalesce(messages.api_error_count, 0) as api_error_count,
        coalesce(messages.response_length, 0) as response_length,
        coalesce(tool_calls.tool_call_count, 0) as tool_call_count,
        coalesce(tool_calls.tool_error_count, 0) as tool_error_count,
        coalesce(tool_calls.tool_rejected_count, 0) as tool_rejected_count,
        coalesce(tool_calls.unique_tools_used, 0) as unique_tools_used,
        coalesce(tool_calls.subagent_count, 0) as subagent_count,

        -- tokens and cost
        requests.model,
        coalesce(requests.api_requests, 0) as api_requests,
        coalesce(requests.input_tokens, 0) as input_tokens,
        coalesce(requests.output_tokens, 0) as output_tokens,
        coalesce(requests.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(requests.cache_creation_tokens, 0) as cache_creation_tokens,
        coalesce(requests.total_tokens, 0) as total_tokens,
        coalesce(requests.cost_usd, 0) as cost_usd,
        coalesce(requests.subagent_cost_usd, 0) as subagent_cost_usd,
        coalesce(requests.unpriced_requests, 0) as unpriced_requests,
        coalesce(requests.lower_bound_requests, 0) as lower_bound_requests
    from timed
    join sessions on sessions.session_id = timed.session_id
    left join turns on turns.session_id = timed.session_id and turns.turn_number = timed.turn_number
    left join messages on messages.session_id = timed.session_id and messages.turn_number = timed.turn_number
    left join requests on requests.session_id = timed.session_id and requests.turn_number = timed.turn_number
    left join tool_calls on tool_calls.session_id = timed.session_id and tool_calls.turn_number = timed.turn_number
    left join active on active.session_id = timed.session_id and active.turn_number = timed.turn_number
    left join remarked on remarked.session_id = timed.session_id and remarked.turn_number = timed.turn_number
)

select * from final
