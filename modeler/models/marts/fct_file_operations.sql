{{ config(materialized='incremental', schema='marts', unique_key='operation_key', meta={'refresh_by': 'session_id'}) }}

-- One row per call of a tool that reads or writes files, with its outcome.
with operations as (
    select * from {{ ref('int_tool_usage') }}
    where operation_type is not null and status <> 'orphan_result'
),

-- A worktree stands for the repository it was made from.
placed as (
    select
        operations.*,
        sessions.project_id,
        regexp_replace(replace(operations.file_path, '\', '/'), '/(?:\.claude/worktrees|\.worktrees)/[^/]+', '') as plain_path,
        regexp_replace(replace(sessions.cwd, '\', '/'), '/(?:\.claude/worktrees|\.worktrees)/[^/]+', '') as session_root,
        regexp_replace(replace(operations.cwd, '\', '/'), '/(?:\.claude/worktrees|\.worktrees)/[^/]+', '') as call_root
    from operations
    join {{ ref('int_sessions_computed') }} as sessions on sessions.session_id = operations.session_id
),

-- Below the session's first directory if it lies there, so that a file has one name however deep a call was made.
named as (
    select
        *,
        case
            when starts_with(plain_path, rtrim(session_root, '/') || '/') then substr(plain_path, length(rtrim(session_root, '/')) + 2)
            when starts_with(plain_path, rtrim(call_root, '/') || '/') then substr(plain_path, length(rtrim(call_root, '/')) + 2)
            else plain_path
        end as rel_path,
        regexp_extract(plain_path, '([^/]*)$', 1) as file_name
    from placed
),

typed as (
    select
        *,
        nullif(lower(regexp_extract(file_name, '[^.].*\.([A-Za-z0-9_+-]+)$', 1)), '') as file_extension
    from named
),

final as (
    select
        md5(typed.tool_call_id) as operation_key,
        md5(typed.session_id) as session_key,
        typed.date_key,
        typed.file_path,
        typed.operation_type,

        -- ids
        typed.tool_call_id,
        typed.tool_use_id,
        md5(typed.tool_name) as tool_key,
        typed.session_id,
        typed.project_id,
        typed.agent_id,

        -- the file
        typed.rel_path,
        typed.file_name,
        typed.file_extension,
        case when typed.file_path is not null then coalesce(by_extension.language, by_name.language, 'other') end as language,

        -- the call
        typed.tool_name,
        typed.is_sidechain,
        typed.turn_number,
        typed.task_category,

        -- outcome
        typed.status,
        typed.is_create,
        typed.user_modified,
        typed.lines_added,
        typed.lines_removed,

        -- time
        typed.effective_timestamp as created_at,
        typed.date_utc,
        typed.hour_of_day,
        typed.day_of_week,

        -- envelope
        typed.cwd,
        typed.git_branch,
        typed.cli_version
    from typed
    left join {{ ref('file_languages') }} as by_extension
        on by_extension.match_type = 'extension' and by_extension.pattern = typed.file_extension
    left join {{ ref('file_languages') }} as by_name
        on by_name.match_type = 'name' and by_name.pattern = lower(typed.file_name)
)

select * from final
