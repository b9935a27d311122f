{{ config(materialized='incremental', schema='marts', unique_key='session_key', meta={'refresh_by': 'session_id'}) }}

-- One row per session with activity.
with costs as (
    select
        session_id,
        sum(cost_usd) as cost_usd,
        sum(subagent_cost_usd) as subagent_cost_usd,
        sum(subagent_tokens)::bigint as subagent_tokens,
        sum(unpriced_requests)::bigint as unpriced_requests,
        sum(lower_bound_requests)::bigint as lower_bound_requests,
        sum(incomplete_requests)::bigint as incomplete_requests
    from {{ ref('agg_session_models') }}
    group by session_id
),

sessions as (
    select sessions.*, costs.* exclude (session_id)
    from {{ ref('int_sessions_computed') }} as sessions
    left join costs on costs.session_id = sessions.session_id
),

final as (
    select
        md5(session_id) as session_key,
        session_id,
        project_id,
        session_start,
        session_end,
        duration_seconds,
        message_count,
        tool_call_count,
        case
            when message_count <= 5 then 'minimal'
            when message_count <= 20 then 'light'
            when message_count <= 50 then 'moderate'
            else 'heavy'
        end as activity_level,

        -- what it is about
        title,
        primary_task_category,
        task_category_count,
        cwd,
        git_branch,
        branch_count,
        cwd_count,
        cli_version,
        entrypoint,
        primary_model,
        model_count,

        -- time
        date_key,
        date_utc,
        start_hour,
        start_day_of_week,
        case
            when start_hour between 6 and 11 then 'morning'
            when start_hour between 12 and 17 then 'afternoon'
            when start_hour between 18 and 21 then 'evening'
            else 'night'
        end as session_time_of_day,
        case when start_day_of_week in (0, 6) then 'weekend' else 'weekday' end as session_day_type,
        active_ms // 1000 as active_seconds,
        duration_seconds - active_ms // 1000 as idle_seconds,
        case
            when duration_seconds < 60 then 'quick'
            when duration_seconds < 600 then 'short'
            when duration_seconds < 3600 then 'medium'
            else 'long'
        end as session_duration_category,

        -- messages
        user_message_count,
        assistant_message_count,
        subagent_message_count,
        human_prompt_count,
        response_count,
        turn_count,
        api_error_count,
        api_retry_count,
        compaction_count,
        subagent_count,
        record_count,
        total_content_length,
        case when response_time_count > 0 then response_time_ms // response_time_count end as avg_response_time_ms,

        -- tool calls
        tool_call_count - subagent_tool_call_count as main_tool_call_count,
        subagent_tool_call_count,
        unique_tools_used,
        tool_success_count,
        tool_error_count,
        tool_rejected_count,
        tool_pending_count,
        orphan_result_count,
        case
            when tool_success_count + tool_error_count > 0
                then tool_success_count / (tool_success_count + tool_error_count)
        end as tool_success_rate,
        primary_tool,

        -- tokens
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_creation_tokens,
        input_tokens + output_tokens + cache_read_tokens + cache_creation_tokens as total_tokens,
        coalesce(subagent_tokens, 0) as subagent_tokens,

        -- cost
        coalesce(cost_usd, 0) as cost_usd,
        coalesce(subagent_cost_usd, 0) as subagent_cost_usd,
        coalesce(unpriced_requests, 0) as unpriced_requests,
        coalesce(lower_bound_requests, 0) as lower_bound_requests,
        coalesce(incomplete_requests, 0) as incomplete_requests
    from sessions
)

select * from final
