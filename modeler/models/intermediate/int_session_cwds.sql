{{ config(materialized='incremental', schema='intermediate', unique_key='session_cwd_key', meta={'refresh_by': 'session_id'}) }}

-- One row per session and working directory; what projects take their names from.
with records as (
    select session_id, cwd, count(*) as record_count
    from {{ ref('stg_conversations') }}
    where cwd <> '' and not is_nested
    group by session_id, cwd
),

final as (
    select
        md5(records.session_id || ':' || records.cwd) as session_cwd_key,
        records.session_id,
        sessions.project_id,
        records.cwd,
        -- A worktree stands for the repository it was made from.
        regexp_replace(records.cwd, '[/\\](?:\.claude[/\\]worktrees|\.worktrees)[/\\].*$', '') as repository_path,
        records.record_count
    from records
    join {{ ref('int_sessions_computed') }} as sessions on sessions.session_id = records.session_id
)

select * from final
