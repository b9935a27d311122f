{{ config(materialized='incremental', schema='marts', unique_key='tool_key', meta={'refresh_by': 'tool_name'}) }}

-- One row per tool. Times are those of calls whose duration holds no person's wait.
with totals as (
    select * from {{ ref('dim_tools') }}
),

durations as (
    select
        tool_name,
        count(*) as timed_count,
        sum(execution_time_ms)::bigint as execution_time_ms,
        quantile_disc(execution_time_ms, 0.5) as p50_execution_time_ms,
        quantile_disc(execution_time_ms, 0.95) as p95_execution_time_ms,
        max(execution_time_ms) as max_execution_time_ms
    from {{ ref('fct_tool_calls') }}
    where execution_time_ms is not null and not may_include_user_wait
    group by tool_name
),

final as (
    select
        totals.tool_key,
        totals.tool_name,
        totals.total_usage,
        totals.success_rate,
        case when durations.timed_count > 0 then durations.execution_time_ms // durations.timed_count end as avg_execution_time_ms,

        -- what it is
        totals.tool_category,

        -- times
        coalesce(durations.timed_count, 0) as timed_count,
        durations.p50_execution_time_ms,
        durations.p95_execution_time_ms,
        durations.max_execution_time_ms,

        -- outcomes
        totals.success_count,
        totals.error_count,
        totals.timeout_count,
        totals.rejected_count,
        totals.denied_count,
        totals.cancelled_count,
        totals.interrupted_count,
        totals.pending_count,
        totals.retry_count,
        case
            when totals.success_count + totals.error_count + totals.timeout_count + totals.rejected_count > 0
                then 1 - totals.rejected_count / (totals.success_count + totals.error_count + totals.timeout_count + totals.rejected_count)
        end as acceptance_rate,

        -- reach
        totals.session_count,
        totals.project_count,

        -- cost
        totals.cost_usd,
        totals.unpriced_calls
    from totals
    left join durations on durations.tool_name = totals.tool_name
)

select * from final
