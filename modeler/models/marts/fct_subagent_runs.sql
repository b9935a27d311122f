{{ config(materialized='incremental', schema='marts', unique_key='subagent_run_key', meta={'refresh_by': 'session_id'}) }}

-- One row per sub-agent of a session: from its own records, else from the progress records and the result of the call
-- that started it.
with calls as (
    select * from {{ ref('int_tool_usage') }}
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
),

records as (
    select
        session_id,
        agent_id,
        min(effective_timestamp) as first_at,
        max(effective_timestamp) as last_at,
        count(*) as record_count,
        bool_and(is_nested) as is_from_progress,
        min(source_tool_use_id) filter (where is_nested) as tool_use_id,
        mode(model order by model) filter (where model is not null and not is_api_error) as model
    from {{ ref('stg_conversations') }}
    where is_sidechain and agent_id is not null
    group by session_id, agent_id
),

-- The call that started an agent names it in its result; until then, the agent's progress names the call.
starts as (
    select
        calls.session_id,
        coalesce(calls.subagent_id, records.agent_id) as agent_id,
        arg_min(calls, {'record_number': calls.record_number, 'tool_call_id': calls.tool_call_id}) as call
    from calls
    left join records on records.session_id = calls.session_id and records.tool_use_id = calls.tool_use_id
    where calls.status <> 'orphan_result' and coalesce(calls.subagent_id, records.agent_id) is not null
    group by 1, 2
),

inputs as (
    select tool_use_id, min(input) as input
    from {{ source('raw', 'content_blocks') }}
    where block_type = 'tool_use' and tool_name in ('Task', 'Agent') and tool_use_id is not null
    group by tool_use_id
),

-- How one that ran in the background ended is told later, by its id, to whoever started it: at once, or when the queue is read.
notices as (
    select
        records.session_id,
        regexp_extract(told.notice, '<task-id>\s*([^<\s]+)', 1) as agent_id,
        arg_max(regexp_extract(told.notice, '<status>\s*([^<\s]+)', 1), records.record_number) as final_status
    from (
        select _key, text as notice
        from {{ source('raw', 'content_blocks') }}
        where block_type = 'text' and starts_with(text, '<task-notification>')
        union all
        select _key, json_extract_string(attributes, '$.content')
        from {{ source('raw', 'conversations') }}
        where source_type = 'queue-operation' and contains(attributes, 'task-notification')
    ) as told
    join {{ ref('stg_conversations') }} as records on records.record_key = told._key
    where contains(told.notice, '<status>')
    group by 1, 2
),

agents as (
    select
        coalesce(records.session_id, starts.session_id) as session_id,
        coalesce(records.agent_id, starts.agent_id) as agent_id,
        records.first_at,
        records.last_at,
        coalesce(records.record_count, 0) as record_count,
        coalesce(records.is_from_progress, false) as is_from_progress,
        records.model,
        starts.call.tool_use_id as parent_tool_use_id,
        starts.call.tool_call_id as parent_tool_call_id,
        starts.call.agent_id as parent_agent_id,
        starts.call.status as call_status,
        starts.call.is_async as is_async,
        starts.call.subagent_type as subagent_type,
        starts.call.execution_time_ms as execution_time_ms,
        starts.call.execution_time_source as execution_time_source,
        starts.call.effective_timestamp as called_at,
        starts.call.turn_number as turn_number,
        starts.call.task_category as task_category,
        starts.call.answered_at as answered_at
    from records
    full join starts on starts.session_id = records.session_id and starts.agent_id = records.agent_id
),

-- An agent may start others; beyond eight levels something is wrong with the ids.
depths as (
    with recursive below as (
        select session_id, agent_id, 1 as depth
        from agents
        where parent_agent_id is null
        union all
        select agents.session_id, agents.agent_id, below.depth + 1
        from below
        join agents on agents.session_id = below.session_id and agents.parent_agent_id = below.agent_id
        where below.depth < 8
    )

    select session_id, agent_id, max(depth)::bigint as depth
    from below
    group by session_id, agent_id
),

requests as (
    select
        session_id,
        agent_id,
        count(*) filter (where not is_api_error) as api_requests,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_creation_tokens)::bigint as cache_creation_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as cost_usd,
        count(*) filter (where not is_priced) as unpriced_requests
    from {{ ref('fct_api_requests') }}
    where is_sidechain and agent_id is not null
    group by session_id, agent_id
),

tool_calls as (
    select
        session_id,
        agent_id,
        count(*) as tool_call_count,
        count(*) filter (where status in ('error', 'timeout')) as tool_error_count
    from calls
    where is_sidechain and agent_id is not null and status <> 'orphan_result'
    group by session_id, agent_id
),

final as (
    select
        md5(concat_ws(':', agents.session_id, agents.agent_id)) as subagent_run_key,
        md5(agents.session_id) as session_key,
        timezone('{{ var('report_tz', 'UTC') }}', coalesce(agents.first_at, agents.called_at))::date as date_key,
        sessions.project_id,
        coalesce(
            agents.subagent_type,
            json_extract_string(inputs.input, '$.subagent_type'),
            case when starts_with(agents.agent_id, 'acompact') then 'compaction' end,
            'unknown'
        ) as agent_type,
        case
            when agents.call_status is null or (agents.call_status = 'success' and agents.is_async) then case
                when notices.final_status = 'completed' then 'completed'
                when notices.final_status in ('failed', 'error') then 'failed'
                when notices.final_status in ('killed', 'stopped', 'cancelled', 'canceled') then 'cancelled'
                when agents.is_async then 'launched'
                else 'unknown'
            end
            when agents.call_status = 'success' then 'completed'
            when agents.call_status in ('error', 'timeout') then 'failed'
            else agents.call_status
        end as status,

        -- ids
        agents.session_id,
        agents.agent_id,
        agents.parent_tool_use_id,
        md5(agents.parent_tool_call_id) as parent_tool_call_key,
        agents.parent_agent_id,
        coalesce(depths.depth, 1) as depth,
        agents.turn_number,
        coalesce(agents.task_category, 'other') as task_category,
        agents.model,
        agents.is_async,
        agents.is_from_progress,

        -- time: what the call reports, else from its first record to its last
        coalesce(agents.first_at, agents.called_at) as started_at,
        coalesce(agents.last_at, agents.answered_at) as ended_at,
        case
            when agents.execution_time_source = 'reported' then agents.execution_time_ms
            else coalesce(epoch_ms(agents.last_at) - epoch_ms(agents.first_at), agents.execution_time_ms)
        end as duration_ms,

        -- work
        agents.record_count,
        coalesce(tool_calls.tool_call_count, 0) as tool_call_count,
        coalesce(tool_calls.tool_error_count, 0) as tool_error_count,
        coalesce(requests.api_requests, 0) as api_requests,
        coalesce(requests.input_tokens, 0) as input_tokens,
        coalesce(requests.output_tokens, 0) as output_tokens,
        coalesce(requests.cache_read_tokens, 0) as cache_read_tokens,
        coalesce(requests.cache_creation_tokens, 0) as cache_creation_tokens,
        coalesce(requests.total_tokens, 0) as total_tokens,
        coalesce(requests.cost_usd, 0) as cost_usd,
        coalesce(requests.unpriced_requests, 0) as unpriced_requests
    from agents
    join sessions on sessions.session_id = agents.session_id
    left join inputs on inputs.tool_use_id = agents.parent_tool_use_id
    left join notices on notices.session_id = agents.session_id and notices.agent_id = agents.agent_id
    left join depths on depths.session_id = agents.session_id and depths.agent_id = agents.agent_id
    left join requests on requests.session_id = agents.session_id and requests.agent_id = agents.agent_id
    left join tool_calls on tool_calls.session_id = agents.session_id and tool_calls.agent_id = agents.agent_id
)

select * from final
