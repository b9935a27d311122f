{{ config(materialized='view', schema='intermediate') }}

-- One row per tool call: what became of it, how long it took, and in which turn.
with calls as (
    select
        *,
        timezone('{{ var('report_tz', 'UTC') }}', effective_timestamp) as local_time,
        epoch_ms(answered_at) - epoch_ms(called_at) as wall_ms,
        coalesce(error_text, case when is_error then result_text end, '') as failure
    from {{ ref('stg_tool_calls') }}
),

-- A tool's category by its exact name, then by the longest prefix.
categories as (
    select
        names.tool_name,
        arg_max(rules.tool_category, {'exact': rules.match_type = 'exact', 'length': length(rules.pattern)}) as tool_category,
        arg_max(rules.is_mutating, {'exact': rules.match_type = 'exact', 'length': length(rules.pattern)}) as is_mutating
    from (select distinct tool_name from calls) as names
    join {{ ref('tool_categories') }} as rules
        on (rules.match_type = 'exact' and rules.pattern = names.tool_name)
        or (rules.match_type = 'prefix' and starts_with(names.tool_name, rules.pattern))
    group by names.tool_name
),

-- The mode is said with some prompts only, and holds until it is said again.
permission_modes as (
    select session_id, record_number, permission_mode
    from {{ ref('stg_conversations') }}
    where permission_mode is not null and timestamp_source = 'timestamp'
),

judged as (
    select
        calls.*,
        coalesce(categories.tool_category, 'unknown') as tool_category,
        coalesce(categories.is_mutating, false) as is_mutating,
        permission_modes.permission_mode,
        case
            when not is_invocation then 'orphan_result'
            when not is_result then 'pending'
            when tool_denial_kind = 'user-rejected'
                or starts_with(result_text, 'User rejected')
                or regexp_matches(failure, '^(?:Error: )?(?:<tool_use_error>)?(?:The user doesn.t want to|User rejected)')
                then 'rejected'
            when tool_denial_kind is not null
                or regexp_matches(failure, '^(?:Error: )?(?:<tool_use_error>)?Permission (?:to|for) [^\n]*denied')
                or regexp_matches(failure, '^(?:Error: )?Claude requested permissions? to [^\n]*granted')
                then 'denied'
            when starts_with(result_text, 'Sibling tool call errored')
                or regexp_matches(failure, '^(?:Error: )?(?:<tool_use_error>)?(?:Sibling tool call errored|Cancell?ed)')
                then 'cancelled'
            when result_interrupted or starts_with(failure, '[Request interrupted') then 'interrupted'
            when result_timed_out_ms is not null
                or regexp_matches(failure, '(?i)^[^\n]*timed out|(?:^|\n)(?:<error>)?command timed out')
                then 'timeout'
            when is_error then 'error'
            else 'success'
        end as status
    from calls
    left join categories on categories.tool_name = calls.tool_name
    asof left join permission_modes
        on permission_modes.session_id = calls.session_id and permission_modes.record_number <= calls.record_number
),

timed as (
    select
        *,
        case
            when status in ('pending', 'orphan_result') or result_status is not distinct from 'async_launched' then null
            when result_duration_ms is not null then 'reported'
            when mcp_elapsed_ms is not null then 'progress'
            when wall_ms is not null then 'wall'
        end as execution_source
    from judged
),

final as (
    select
        -- ids
        timed.tool_call_id,
        timed.tool_use_id,
        timed.session_id,
        timed.message_id,
        timed.agent_id,

        -- the call
        timed.tool_name,
        timed.tool_category,
        case when timed.tool_category = 'mcp' then split_part(timed.tool_name, '__', 2) end as mcp_server,
        case when timed.tool_category = 'mcp' then substr(timed.tool_name, length(split_part(timed.tool_name, '__', 2)) + 8) end as mcp_tool,
        timed.is_sidechain,
        timed.is_nested,
        timed.model,
        timed.cwd,
        timed.git_branch,
        timed.cli_version,
        timed.permission_mode,
        coalesce(messages.turn_number, 0) as turn_number,
        coalesce(messages.task_category, 'other') as task_category,
        timed.input_length,
        timed.result_length,
        timed.record_number,
        timed.block_index,

        -- outcome
        timed.status,
        case
            when timed.status <> 'error' then null
            when regexp_matches(failure, '^(?:Error: )?Exit code -?\d') then 'exit_code'
            when contains(failure, 'has not been read yet') then 'not_read'
            when regexp_matches(failure, 'has been (?:unexpectedly )?modified (?:since|externally)|modified since (?:it was )?(?:last )?read') then 'stale_file'
            when contains(failure, 'String to replace not found') then 'no_match'
            when regexp_matches(failure, 'Found \d+ matches of the string to replace') then 'multi_match'
            when regexp_matches(failure, 'exceeds? (?:the )?maximum|too large') then 'too_large'
            when regexp_matches(failure, '^(?:Error: )?(?:<tool_use_error>)?(?:File|Path|Directory|Notebook)[^\n]* does not exist|ENOENT|[Nn]o such file or directory') then 'not_found'
            when contains(failure, '<tool_use_error>') or contains(failure, 'InputValidationError') then 'validation'
            when timed.tool_category = 'mcp' or regexp_matches(failure, '^(?:Error: )?MCP ') then 'mcp'
            when timed.tool_category = 'network' or regexp_matches(failure, 'ECONNREFUSED|ENOTFOUND|ETIMEDOUT|getaddrinfo|socket hang up|Request failed with status code') then 'network'
            else 'other'
        end as error_type,
        case
            when timed.status = 'error' then try_cast(regexp_extract(failure, '^(?:Error: )?Exit code (-?\d+)', 1) as bigint)
        end as exit_code,
        timed.result_background_id is not null as is_background,
        timed.result_status is not distinct from 'async_launched' as is_async,
        timed.result_agent_id as subagent_id,
        timed.result_agent_type as subagent_type,

        -- the file, and what became of it
        case when timed.tool_category = 'file_operations' then coalesce(nullif(timed.result_file_path, ''), timed.input_file_path) end as file_path,
        case
            when timed.tool_category <> 'file_operations' then null
            when timed.tool_name in ('Read', 'NotebookRead') then 'read'
            when timed.tool_name = 'Write' then 'write'
            when timed.tool_name in ('Edit', 'NotebookEdit') then 'edit'
            when timed.tool_name = 'MultiEdit' then 'multi_edit'
            else 'other'
        end as operation_type,
        timed.tool_name = 'Write' and timed.status = 'success' and timed.result_type is not distinct from 'create' as is_create,
        timed.result_user_modified as user_modified,
        case
            when timed.tool_category <> 'file_operations' then null
            when timed.status <> 'success' or timed.tool_name in ('Read', 'NotebookRead') then 0
            else coalesce(timed.result_lines_added, timed.input_lines_added)
        end as lines_added,
        case
            when timed.tool_category <> 'file_operations' then null
            when timed.status <> 'success' or timed.tool_name in ('Read', 'NotebookRead') then 0
            else coalesce(timed.result_lines_removed, timed.input_lines_removed)
        end as lines_removed,

        -- what a shell command runs, by the first word of each of its parts: tests before git before what builds and deploys
        case
            when timed.tool_category <> 'shell' or timed.command is null then null
            when regexp_matches(
                timed.command,
                '(?:^|[;&|(\n])\s*(?:[A-Za-z_]\w*=\S*\s+)*(?:sudo\s+|time\s+|npx\s+|bunx\s+|(?:uv|poetry|bundle|pnpm)\s+(?:run|exec)\s+)*(?:\S*/)?(?:pytest|py\.test|jest|vitest|mocha|rspec|phpunit|tox|nox|ctest|(?:go|cargo|dotnet|swift|mix|deno|bun|playwright|flutter)\s+test|cargo\s+nextest|cypress\s+run|python[\d.]*\s+-m\s+(?:pytest|unittest)|(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?(?:test|t)|(?:mvnw?|gradlew?)\s[^;&|\n]*\btest|make\s+(?:-\S+\s+)*(?:test|check))\b'
            ) then 'test'
            when regexp_matches(timed.command, '(?:^|[;&|(\n])\s*(?:[A-Za-z_]\w*=\S*\s+)*(?:sudo\s+|time\s+)*(?:git|gh)\s') then 'git'
            when regexp_matches(
                timed.command,
                '(?:^|[;&|(\n])\s*(?:[A-Za-z_]\w*=\S*\s+)*(?:sudo\s+|time\s+|npx\s+|bunx\s+)*(?:\S*/)?(?:make|cmake|ninja|bazel|docker|docker-compose|podman|kubectl|helm|terraform|ansible-playbook|mvnw?|gradlew?|tsc|webpack|vercel|netlify|(?:go|cargo|dotnet|swift|zig|vite|flutter)\s+build|go\s+install|dotnet\s+publish|(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?(?:build|deploy))(?:\s|$)'
            ) then 'build'
            else 'other'
        end as command_kind,

        -- duration: what the tool reports, else what its progress says, else from call to result; none if negative or beyond decades
        case when measured.execution_ms between 0 and 1000000000000 then measured.execution_ms end as execution_time_ms,
        case when measured.execution_ms between 0 and 1000000000000 then timed.execution_source end as execution_time_source,
        coalesce(
            measured.execution_ms between 0 and 1000000000000 and timed.execution_source = 'wall' and (
                timed.tool_name in ('AskUserQuestion', 'ExitPlanMode')
                or (
                    timed.is_mutating
                    and coalesce(timed.permission_mode, 'default') not in ('bypassPermissions', 'auto')
                    and not (
                        coalesce(timed.permission_mode, 'default') = 'acceptEdits'
                        and timed.tool_name in ('Edit', 'MultiEdit', 'Write', 'NotebookEdit')
                    )
                )
            ),
            false
        ) as may_include_user_wait,
        timed.observed_running_ms,

        -- time
        timed.effective_timestamp,
        timed.answered_at,
        timed.local_time::date as date_key,
        timezone('UTC', timed.effective_timestamp)::date as date_utc,
        hour(timed.local_time) as hour_of_day,
        dayofweek(timed.local_time) as day_of_week
    from timed
    cross join lateral (
        select
            case timed.execution_source
                when 'reported' then timed.result_duration_ms
                when 'progress' then timed.mcp_elapsed_ms
                when 'wall' then timed.wall_ms
            end as execution_ms
    ) as measured
    left join {{ ref('int_messages_enriched') }} as messages on messages.message_id = timed.message_id
)

select * from final
