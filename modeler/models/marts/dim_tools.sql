{{ config(materialized='incremental', schema='marts', unique_key='tool_key', meta={'refresh_by': 'tool_name'}) }}

-- One row per tool name that was ever called.
with totals as (
    select
        tool_name,
        min(tool_category) as tool_category,
        min(mcp_server) as mcp_server,
        min(mcp_tool) as mcp_tool,
        sum(call_count)::bigint as total_usage,
        sum(success_count)::bigint as success_count,
        sum(error_count)::bigint as error_count,
        sum(timeout_count)::bigint as timeout_count,
        sum(rejected_count)::bigint as rejected_count,
        sum(denied_count)::bigint as denied_count,
        sum(cancelled_count)::bigint as cancelled_count,
        sum(interrupted_count)::bigint as interrupted_count,
        sum(pending_count)::bigint as pending_count,
        sum(orphan_result_count)::bigint as orphan_result_count,
        sum(retry_count)::bigint as retry_count,
        count(*) filter (where session_id <> '' and call_count > 0) as session_count,
        count(distinct project_id) filter (where call_count > 0) as project_count,
        sum(execution_ms)::bigint as execution_ms,
        sum(timed_count)::bigint as timed_count,
        min(first_used_at) as first_used_at,
        max(last_used_at) as last_used_at,
        sum(cost_usd) as cost_usd,
        sum(unpriced_calls)::bigint as unpriced_calls
    from {{ ref('int_session_tools') }}
    group by tool_name
),

final as (
    select
        md5(tool_name) as tool_key,
        tool_name,
        tool_category,
        total_usage,

        -- what it is
        mcp_server,
        mcp_tool,
        case
            when total_usage = 0 then 'unused'
            when total_usage <= 10 then 'rare'
            when total_usage <= 100 then 'occasional'
            when total_usage <= 1000 then 'frequent'
            else 'heavy'
        end as usage_tier,

        -- outcomes
        success_count,
        error_count,
        timeout_count,
        rejected_count,
        denied_count,
        cancelled_count,
        interrupted_count,
        pending_count,
        orphan_result_count,
        retry_count,
        case
            when success_count + error_count + timeout_count > 0
                then success_count / (success_count + error_count + timeout_count)
        end as success_rate,

        -- reach
        session_count,
        project_count,
        case when timed_count > 0 then execution_ms // timed_count end as avg_execution_time_ms,
        first_used_at,
        last_used_at,

        -- cost
        cost_usd,
        unpriced_calls
    from totals
)

select * from final
