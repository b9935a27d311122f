{{ config(materialized='incremental', schema='marts', unique_key='project_key', meta={'refresh_by': 'project_id'}) }}

-- One row per project.
with sessions as (
    select * from {{ ref('dim_sessions') }}
),

session_totals as (
    select
        project_id,
        count(*) filter (where session_id <> '') as total_sessions,
        min(session_start) as first_activity,
        max(session_end) as last_activity,
        sum(message_count)::bigint as total_messages,
        sum(human_prompt_count)::bigint as total_prompts,
        sum(tool_call_count)::bigint as total_tool_calls,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as cost_usd,
        sum(unpriced_requests)::bigint as unpriced_requests,
        sum(active_seconds)::bigint as active_seconds,
        sum(duration_seconds)::bigint as duration_seconds
    from sessions
    group by project_id
),

day_totals as (
    select project_id, count(distinct date_key) as active_days
    from {{ ref('int_session_days') }}
    group by project_id
),

paths as (
    select
        project_id,
        repository_path,
        sum(record_count)::bigint as record_count,
        sum(record_count) filter (where cwd <> repository_path)::bigint as worktree_count
    from {{ ref('int_session_cwds') }}
    where repository_path <> ''
    group by project_id, repository_path
),

main_paths as (
    select
        project_id,
        arg_min(repository_path, {'rank': -record_count, 'path': repository_path}) as project_path,
        arg_min(coalesce(worktree_count, 0) * 2 > record_count, {'rank': -record_count, 'path': repository_path}) as is_worktree
    from paths
    group by project_id
),

named as (
    select
        session_totals.*,
        coalesce(day_totals.active_days, 0) as active_days,
        main_paths.project_path,
        coalesce(main_paths.is_worktree, false) as is_worktree,
        coalesce(
            nullif(regexp_extract(main_paths.project_path, '([^/\\]+)[/\\]*$', 1), ''),
            nullif(regexp_extract(session_totals.project_id, '([^-]+)-*$', 1), ''),
            nullif(session_totals.project_id, ''),
            'unknown'
        ) as project_name
    from session_totals
    left join day_totals on day_totals.project_id = session_totals.project_id
    left join main_paths on main_paths.project_id = session_totals.project_id
),

final as (
    select
        md5(project_id) as project_key,
        project_id,
        project_name,
        total_sessions,
        first_activity,
        last_activity,

        -- what it is
        project_path,
        project_name as project_group,
        is_worktree,
        case
            when total_sessions <= 1 then 'single_session'
            when total_sessions <= 5 then 'small'
            when total_sessions <= 20 then 'medium'
            else 'large'
        end as project_size,

        -- totals
        active_days,
        total_messages,
        total_prompts,
        total_tool_calls,
        total_tokens,
        active_seconds,
        duration_seconds,
        cost_usd,
        unpriced_requests
    from named
)

select * from final
