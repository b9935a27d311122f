{{ config(materialized='incremental', schema='marts', unique_key='git_operation_key', meta={'refresh_by': 'session_id'}) }}

-- One row per commit, push, branch and pull request that a session made: as the CLI reports it, as the shell command says,
-- and as the session's links to pull requests show.
with calls as (
    select * from {{ ref('int_tool_usage') }}
    where status <> 'orphan_result'
),

sessions as (
    select session_id, project_id, session_start from {{ ref('int_sessions_computed') }}
),

shell_commands as (
    select tool_use_id, json_extract_string(min(input), '$.command') as command
    from {{ source('raw', 'content_blocks') }}
    where
        block_type = 'tool_use'
        and tool_use_id is not null
        and tool_name in ('Bash', 'PowerShell')
        and (contains(input, 'git') or contains(input, 'gh '))
    group by tool_use_id
),

-- What stands in a here-document is no command, whatever word ends it. They go one after the other, in the order in which
-- they begin: what looks like a beginning inside of one has no end any more.
without_documents as (
    select
        tool_use_id,
        replace(
            case
                when contains(command, '<<') then list_reduce(
                    regexp_extract_all(command, '(?:^|[^<])(<<-?[ \t]*(?:''[^''\n]+''|"[^"\n]+"|\\?[^\s;&|<>()''"\\]+))', 1),
                    lambda remaining, opening: regexp_replace(
                        remaining,
                        concat(
                            '(?ms)', regexp_escape(opening), '([^\n]*)\n.*?^', case when starts_with(opening, '<<-') then '\t*' else '' end,
                            regexp_escape(regexp_replace(opening, '^<<-?[ \t]*|[''"\\]', '', 'g')), '(\r?$|\))'
                        ),
                        '\1\2'
                    ),
                    command
                )
                else command
            end,
            '\' || chr(10), ' '
        ) as command
    from shell_commands
),

-- Nor is what stands in quotes, or behind a #: a commit's message may speak of other commands. A quoted name stays; a mark
-- stands where quotes ended.
unquoted as (
    select
        tool_use_id,
        regexp_replace(
            command,
            '"([\w./+@:-]*)"|''([\w./+@:-]*)''|"(?:[^"\\]|\\.|\\\n)*"|''[^'']*''|\\.|(^|[\s;&|(])#[^\n]*',
            '\1\2\3' || chr(1), 'g'
        ) as command
    from without_documents
),

-- Each with what separates it from the command before, and with what its output is piped to.
said as (
    select
        tool_use_id,
        unnest(commands) as command,
        generate_subscripts(commands, 1) as place
    from (
        select
            tool_use_id,
            regexp_extract_all(
                command,
                '(?:^|[\n;&|(`])\s*(?:(?:if|elif|else|then|while|until|do|time|sudo|command|exec|env|nohup|timeout\s+\S+|!|\{)\s+|[A-Za-z_]\w*=\S*\s+)*(?:git\s+(?:-[Cc]\s+\S+\s+|--?[a-z][\w-]*(?:=\S+)?\s+)*(?:commit|push|checkout\s+(?:-\S+\s+)*?-[bB]\s+\S|switch\s+(?:-\S+\s+)*?(?:-[cC]|--create)\s+\S|branch\s+[\w\x01])|gh\s+pr\s+create)(?:[<>]&|&>|\|[^|\n]|[^\n;&|()`])*'
            ) as commands
        from unquoted
    ) as calls_with_commands
),

verbs as (
    select
        *,
        regexp_extract(command, '\s((?:commit|push|checkout|switch|branch|create)[\w-]*)', 1) as verb
    from said
    where not regexp_matches(command, '(?s)^.[^|]*\s(?:--dry-run|--help|-h)(?:\s|$)')
),

-- What stands behind "||" or "else" is done instead of another. A quiet commit, or one whose output goes elsewhere, may leave
-- nothing in the answer.
said_operations as (
    select
        tool_use_id,
        case verb
            when 'commit' then 'commit'
            when 'push' then 'push'
            when 'create' then 'pull_request'
            else 'branch'
        end as operation,
        greatest(count(*) filter (where not regexp_matches(command, '^(?:\||(?s:.)?\s*(?:else|elif)\s)')), 1) as said_count,
        bool_and(not regexp_matches(command, '(?s)^.[^|]*(?:\s(?:--quiet|-[a-z]*q[a-z]*)(?:\s|$)|[^2]>|\|)')) as is_audible,
        list(
            nullif(regexp_extract(command, '\s(?:checkout\s(?:.*?\s)?-[bB]|switch\s(?:.*?\s)?(?:-[cC]|--create)|branch)\s+([^\s<>\x01]*)', 1), '')
            order by place
        ) as branches
    from verbs
    where
        verb in ('checkout', 'switch', 'branch', 'create')
        or (verb = 'commit' and not regexp_matches(command, '(?s)^.[^|]*\s--(?:short|porcelain|long)(?:\s|$)'))
        or (verb = 'push' and not regexp_matches(command, '(?s)^.[^|]*\s-n(?:\s|$)'))
    group by 1, 2
),

-- What newer CLIs say themselves of a call that did something with git.
reports as (
    select
        blocks.tool_use_id,
        min(documents.tool_use_result) as report
    from {{ source('raw', 'conversations') }} as documents
    join {{ source('raw', 'content_blocks') }} as blocks on blocks._key = documents._key
    where contains(documents.tool_use_result, '"gitOperation"') and blocks.block_type = 'tool_result' and blocks.tool_use_id is not null
    group by blocks.tool_use_id
),

-- They also speak of pull requests that were merged or commented, and of branches that were merged.
reported_operations as (
    select
        tool_use_id,
        operation,
        json_extract_string(report, '$.gitOperation.commit.sha') as commit_sha,
        json_extract_string(report, '$.gitOperation.' || name || '.kind') as detail,
        json_extract_string(report, '$.gitOperation.' || name || '.branch') as branch,
        json_extract_string(report, '$.gitOperation.pr.url') as url,
        try_cast(json_extract_string(report, '$.gitOperation.pr.number') as bigint) as pull_request_number
    from reports
    cross join (values ('commit', 'commit'), ('push', 'push'), ('branch', 'branch'), ('pr', 'pull_request')) as names (name, operation)
    where
        json_exists(report, '$.gitOperation.' || name)
        and coalesce(json_extract_string(report, '$.gitOperation.' || name || '.action'), 'created') = 'created'
),

-- What git and gh answered.
answers as (
    select
        tool_use_id,
        answer,
        regexp_extract_all(answer, '(?m)^\[(?:detached HEAD|[^\]\s]+)(?: \(root-commit\))? [0-9a-f]{7,40}\]') as commits,
        regexp_extract_all(answer, '(?m)^To (\S+)\s*$', 1) as remotes,
        regexp_extract_all(answer, '(?m)^\s*(https?://[^\s/]+/[^\s/]+/[^\s/]+/pull/\d+)\s*$', 1) as pull_requests
    from (
        select tool_use_id, min(result_text) as answer
        from {{ source('raw', 'content_blocks') }}
        where block_type = 'tool_result' and tool_use_id in (select said.tool_use_id from said)
        group by tool_use_id
    ) as results
),

by_calls as (
    select
        coalesce(said_operations.tool_use_id, reported_operations.tool_use_id) as tool_use_id,
        coalesce(said_operations.operation, reported_operations.operation) as operation,
        reported_operations.tool_use_id is not null as is_reported,
        reported_operations.* exclude (tool_use_id, operation),
        said_operations.branches,
        coalesce(said_operations.is_audible, false) as is_audible,
        answers.answer,
        answers.commits,
        answers.remotes,
        answers.pull_requests,
        -- As many commits as git names; else as many operations as the command says.
        case
            when said_operations.operation = 'commit' and len(answers.commits) > 0 then len(answers.commits)
            else coalesce(said_operations.said_count, 1)
        end as operation_count
    from said_operations
    full join reported_operations
        on reported_operations.tool_use_id = said_operations.tool_use_id and reported_operations.operation = said_operations.operation
    left join answers on answers.tool_use_id = coalesce(said_operations.tool_use_id, reported_operations.tool_use_id)
    -- Of a call that the CLI reports on, what it does not report was done only if the answer shows it, or cannot show it.
    -- It reports no new branches.
    where
        reported_operations.tool_use_id is not null
        or said_operations.operation = 'branch'
        or not said_operations.is_audible
        or said_operations.tool_use_id not in (select reports.tool_use_id from reports)
        or case said_operations.operation
            when 'commit' then len(answers.commits) > 0
            when 'push' then len(answers.remotes) > 0 or contains(answers.answer, 'Everything up-to-date')
            when 'pull_request' then len(answers.pull_requests) > 0
        end
),

numbered as (
    select *, unnest(range(1, operation_count + 1)) as number
    from by_calls
),

named as (
    select
        tool_use_id,
        operation,
        number,
        case when is_reported then 'reported' else 'command' end as origin,
        detail,
        operation = 'commit' and is_audible and not is_reported and len(commits) = 0
            and regexp_matches(answer, '(?m)^(?:nothing (?:added )?to commit|no changes added to commit)') as is_without_effect,
        case when operation = 'commit' then coalesce(
            case when operation_count = 1 then commit_sha end,
            nullif(regexp_extract(commits[number], '([0-9a-f]+)\]$', 1), '')
        ) end as commit_sha,
        coalesce(
            branch,
            branches[number],
            case operation
                when 'commit' then nullif(regexp_extract(commits[number], '^\[([^\]\s]+)(?: \(root-commit\))? [0-9a-f]+\]', 1), '')
                when 'push' then nullif(regexp_extract(answer, '(?m)^\s.*\s->\s(\S+)\s*$', 1), '')
            end
        ) as branch,
        case operation
            when 'pull_request' then coalesce(
                url,
                pull_requests[greatest(len(pull_requests) - operation_count + number, 0)],
                nullif(regexp_extract(answer, 'https?://[^\s/]+/[^\s/]+/[^\s/]+/pull/\d+'), '')
            )
            when 'push' then remotes[number]
        end as url,
        pull_request_number
    from numbered
),

-- A link has no uuid: that a fork copied it shows by its time, before anything of the fork's own.
links as (
    select
        records.session_id,
        records.effective_timestamp,
        records.git_branch,
        records.record_number,
        json_extract_string(documents.attributes, '$.prUrl') as url,
        json_extract_string(documents.attributes, '$.prRepository') as repository,
        try_cast(json_extract_string(documents.attributes, '$.prNumber') as bigint) as pull_request_number
    from {{ ref('stg_conversations') }} as records
    join {{ source('raw', 'conversations') }} as documents on documents._key = records.record_key
    join sessions on sessions.session_id = records.session_id
    where
        records.entry_type = 'pr-link'
        and (records.timestamp_source <> 'timestamp' or records.effective_timestamp >= sessions.session_start)
),

operations as (
    select
        calls.session_id,
        named.operation,
        named.number,
        case when named.is_without_effect and calls.status = 'success' then 'error' else calls.status end as status,
        calls.effective_timestamp,
        calls.tool_call_id,
        calls.tool_use_id,
        calls.agent_id,
        calls.turn_number,
        calls.record_number,
        named.commit_sha,
        coalesce(named.branch, nullif(calls.git_branch, '')) as branch,
        named.url,
        null::varchar as repository,
        named.pull_request_number,
        named.detail,
        named.origin
    from named
    join calls on calls.tool_use_id = named.tool_use_id
    union all
    select
        session_id, 'pull_request', 1, 'success', effective_timestamp, null, null, null, null, record_number, null,
        nullif(git_branch, ''), url, repository, pull_request_number, null, 'link'
    from links
),

-- A pull request is one, however often its link is written; the call that made it comes first.
identified as (
    select
        *,
        case
            when operation = 'pull_request' and url is not null then concat_ws(':', session_id, url)
            else concat_ws(':', session_id, operation, coalesce(tool_call_id, 'record ' || record_number), case when number > 1 then number end)
        end as identity
    from operations
),

merged as (
    select
        identity,
        arg_min(identified, {'link': origin = 'link', 'record_number': record_number, 'tool_call_id': coalesce(tool_call_id, ''), 'number': number}) as first,
        bool_or(status = 'success') as is_done,
        min(repository) as repository,
        min(pull_request_number) as pull_request_number
    from identified
    group by identity
),

final as (
    select
        md5(merged.identity) as git_operation_key,
        md5(merged.first.session_id) as session_key,
        timezone('{{ var('report_tz', 'UTC') }}', merged.first.effective_timestamp)::date as date_key,
        sessions.project_id,
        merged.first.operation,
        case when merged.is_done then 'success' else merged.first.status end as status,
        merged.first.effective_timestamp as created_at,

        -- ids
        merged.first.session_id as session_id,
        md5(merged.first.tool_call_id) as tool_call_key,
        merged.first.tool_use_id as tool_use_id,
        merged.first.agent_id as agent_id,
        merged.first.turn_number as turn_number,

        -- what was done
        merged.first.commit_sha as commit_sha,
        merged.first.branch as branch,
        merged.first.url as url,
        coalesce(
            merged.repository,
            nullif(regexp_extract(merged.first.url, '([^/:]+/[^/]+?)(?:\.git)?(?:/pull/\d+)?$', 1), '')
        ) as repository,
        coalesce(merged.pull_request_number, try_cast(regexp_extract(merged.first.url, '/pull/(\d+)$', 1) as bigint)) as pull_request_number,
        merged.first.detail as detail,
        merged.first.origin as origin
    from merged
    join sessions on sessions.session_id = merged.first.session_id
)

select * from final
