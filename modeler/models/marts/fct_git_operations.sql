{{ config(materialized='incremental', schema='marts', unique_key='git_operation_key', meta={'refresh_by': 'session_id'}) }}

-- One row per commit, push, branch and pull request that a session made: as the CLI reports it, as the shell command says,
-- and as the session's links to pull requests show.
with calls as (
    select * from {{ ref('int_tool_usage') }}
    where status <> 'orphan_result'
),

sessions as (
    select session_id, project_id from {{ ref('int_sessions_computed') }}
),

-- Without what stands in quotes or in a here-document: a commit's message may speak of other commands.
commands as (
    select
        tool_use_id,
        regexp_replace(
            regexp_replace(json_extract_string(min(input), '$.command'), '"(?:[^"\\]|\\.)*"|''[^'']*''', '_', 'g'),
            '(?s)<<-?\s*(?:EOF|END|MSG|TXT)\b.*?\n\s*(?:EOF|END|MSG|TXT)\b', ' ', 'g'
        ) as command
    from {{ source('raw', 'content_blocks') }}
    where
        block_type = 'tool_use'
        and tool_use_id is not null
        and tool_name in ('Bash', 'PowerShell')
        and (contains(input, 'git') or contains(input, 'gh '))
    group by tool_use_id
),

said as (
    select
        tool_use_id,
        unnest(regexp_extract_all(
            command,
            '(?:^|[\n;&|(])\s*(?:[A-Za-z_]\w*=\S*\s+)*(?:sudo\s+)?((?:git\s+(?:-[Cc]\s+\S+\s+|--?[a-z][\w-]*(?:=\S+)?\s+)*(?:commit\b|push\b|checkout\s+-[bB]\s+[^\s;&|]+|switch\s+(?:-[cC]|--create)\s+[^\s;&|]+|branch\s+[A-Za-z_][^\s;&|]*))|gh\s+pr\s+create\b)',
            1
        )) as command
    from commands
),

said_operations as (
    select
        tool_use_id,
        case
            when starts_with(command, 'gh') then 'pull_request'
            when regexp_matches(command, '\scommit$') then 'commit'
            when regexp_matches(command, '\spush$') then 'push'
            else 'branch'
        end as operation,
        max(case
            when regexp_matches(command, '\s(?:checkout|switch|branch)\s') then nullif(regexp_extract(command, '(\S+)$', 1), '_')
        end) as branch
    from said
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
    where json_exists(report, '$.gitOperation.' || name)
),

-- What git and gh answered.
answers as (
    select
        blocks.tool_use_id,
        min(blocks.result_text) as answer
    from {{ source('raw', 'content_blocks') }} as blocks
    where blocks.block_type = 'tool_result' and blocks.tool_use_id in (select said.tool_use_id from said)
    group by blocks.tool_use_id
),

by_calls as (
    select
        coalesce(said_operations.tool_use_id, reported_operations.tool_use_id) as tool_use_id,
        coalesce(said_operations.operation, reported_operations.operation) as operation,
        case when reported_operations.tool_use_id is not null then 'reported' else 'command' end as origin,
        reported_operations.detail,
        case when coalesce(said_operations.operation, reported_operations.operation) = 'commit'
            then coalesce(
                reported_operations.commit_sha,
                nullif(regexp_extract(answers.answer, '(?m)^\[(?:detached HEAD|[^\]\s]+)(?: \(root-commit\))? ([0-9a-f]{7,40})\]', 1), '')
            )
        end as commit_sha,
        coalesce(
            reported_operations.branch,
            said_operations.branch,
            case said_operations.operation
                when 'commit' then nullif(regexp_extract(answers.answer, '(?m)^\[([^\]\s]+)(?: \(root-commit\))? [0-9a-f]{7,40}\]', 1), '')
                when 'push' then nullif(regexp_extract(answers.answer, '(?m)^\s.*\s->\s(\S+)\s*$', 1), '')
            end
        ) as branch,
        case coalesce(said_operations.operation, reported_operations.operation)
            when 'pull_request' then coalesce(
                reported_operations.url, nullif(regexp_extract(answers.answer, 'https?://[^\s/]+/[^\s/]+/[^\s/]+/pull/\d+'), '')
            )
            when 'push' then nullif(regexp_extract(answers.answer, '(?m)^To (\S+)\s*$', 1), '')
        end as url,
        reported_operations.pull_request_number
    from said_operations
    full join reported_operations
        on reported_operations.tool_use_id = said_operations.tool_use_id and reported_operations.operation = said_operations.operation
    left join answers on answers.tool_use_id = coalesce(said_operations.tool_use_id, reported_operations.tool_use_id)
),

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
    where records.entry_type = 'pr-link'
),

operations as (
    select
        calls.session_id,
        by_calls.operation,
        calls.status,
        calls.effective_timestamp,
        calls.tool_call_id,
        calls.tool_use_id,
        calls.agent_id,
        calls.turn_number,
        calls.record_number,
        by_calls.commit_sha,
        coalesce(by_calls.branch, nullif(calls.git_branch, '')) as branch,
        by_calls.url,
        null::varchar as repository,
        by_calls.pull_request_number,
        by_calls.detail,
        by_calls.origin
    from by_calls
    join calls on calls.tool_use_id = by_calls.tool_use_id
    union all
    select
        session_id, 'pull_request', 'success', effective_timestamp, null, null, null, null, record_number, null,
        nullif(git_branch, ''), url, repository, pull_request_number, null, 'link'
    from links
),

-- A pull request is one, however often its link is written; the call that made it comes first.
identified as (
    select
        *,
        case
            when operation = 'pull_request' and url is not null then concat_ws(':', session_id, url)
            else concat_ws(':', session_id, operation, coalesce(tool_call_id, 'record ' || record_number))
        end as identity
    from operations
),

merged as (
    select
        identity,
        arg_min(identified, {'link': origin = 'link', 'record_number': record_number, 'tool_call_id': coalesce(tool_call_id, '')}) as first,
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
