{{ config(materialized='incremental', schema='intermediate', unique_key='session_tool_key', meta={'refresh_by': 'session_id'}) }}

-- One row per session and tool; so that a tool's totals are summed over sessions, not over all its calls.
with calls as (
    select
        *,
        -- A call is a retry if the thread's last call of the same tool failed.
        coalesce(lag(status) over (
            partition by session_id, agent_id, tool_name order by record_number, block_index, tool_call_id
        ) in ('error', 'timeout'), false) as is_retry
    from {{ ref('int_tool_usage') }}
),

-- What the calls cost: their shares of the responses that made them.
costs as (
    select
        session_id,
        tool_name,
        coalesce(sum(cost_usd), 0) as cost_usd,
        count(*) filter (where not is_priced) as unpriced_calls
    from {{ ref('fct_cost_attribution') }}
    where tool_call_key is not null
    group by session_id, tool_name
),

final as (
    select
        md5(calls.session_id || ':' || calls.tool_name) as session_tool_key,
        calls.session_id,
        any_value(sessions.project_id) as project_id,
        calls.tool_name,
        any_value(calls.tool_category) as tool_category,
        any_value(calls.mcp_server) as mcp_server,
        any_value(calls.mcp_tool) as mcp_tool,
        count(*) filter (where calls.status <> 'orphan_result') as call_count,
        count(*) filter (where calls.status = 'success') as success_count,
        count(*) filter (where calls.status = 'error') as error_count,
        count(*) filter (where calls.status = 'timeout') as timeout_count,
        count(*) filter (where calls.status = 'rejected') as rejected_count,
        count(*) filter (where calls.status = 'denied') as denied_count,
        count(*) filter (where calls.status = 'cancelled') as cancelled_count,
        count(*) filter (where calls.status = 'interrupted') as interrupted_count,
        count(*) filter (where calls.status = 'pending') as pending_count,
        count(*) filter (where calls.status = 'orphan_result') as orphan_result_count,
        count(*) filter (where calls.is_retry and calls.status <> 'orphan_result') as retry_count,
        coalesce(sum(calls.execution_time_ms), 0)::bigint as execution_ms,
        count(calls.execution_time_ms) as timed_count,
        min(calls.effective_timestamp) as first_used_at,
        max(calls.effective_timestamp) as last_used_at,
        coalesce(any_value(costs.cost_usd), 0)::decimal(38, 9) as cost_usd,
        coalesce(any_value(costs.unpriced_calls), 0) as unpriced_calls
    from calls
    join {{ ref('int_sessions_computed') }} as sessions on sessions.session_id = calls.session_id
    left join costs on costs.session_id = calls.session_id and costs.tool_name = calls.tool_name
    group by calls.session_id, calls.tool_name
)

select * from final
