{{ config(materialized='incremental', schema='marts', unique_key='attribution_key', meta={'refresh_by': 'session_id'}) }}

-- What each response's cost was for: one row per tool call that it made, in equal shares, or one row if it made none. A
-- share has nine decimals like the cost; what is left over goes to the first calls, a billionth each, so that the shares
-- add up to the cost exactly.
with requests as (
    select * from {{ ref('fct_api_requests') }}
    where not is_api_error
),

calls as (
    select
        *,
        row_number() over (partition by message_id order by record_number, block_index, tool_call_id) as share_number,
        count(*) over (partition by message_id) as share_count
    from {{ ref('int_tool_usage') }}
    where status <> 'orphan_result'
),

agents as (
    select session_id, agent_id, agent_type from {{ ref('fct_subagent_runs') }}
),

-- What newer CLIs say themselves of what a response was for.
declared as (
    select
        records.response_key,
        max(json_extract_string(documents.attributes, '$.attributionSkill')) as skill,
        max(json_extract_string(documents.attributes, '$.attributionPlugin')) as plugin,
        max(json_extract_string(documents.attributes, '$.attributionMcpServer')) as mcp_server
    from {{ source('raw', 'conversations') }} as documents
    join {{ ref('stg_conversations') }} as records on records.record_key = documents._key
    where contains(documents.attributes, '"attribution')
    group by records.response_key
),

-- Else a response is for the skill that was called last before it in its turn and thread.
skills as (
    select
        calls.session_id,
        calls.turn_number,
        coalesce(calls.agent_id, '') as thread,
        calls.effective_timestamp as called_at,
        calls.tool_call_id,
        regexp_extract(coalesce(json_extract_string(blocks.input, '$.skill'), json_extract_string(blocks.input, '$.command')), '^/?(\S+)', 1) as skill
    from calls
    join (
        select tool_use_id, min(input) as input
        from {{ source('raw', 'content_blocks') }}
        where block_type = 'tool_use' and tool_name in ('Skill', 'SlashCommand') and tool_use_id is not null
        group by tool_use_id
    ) as blocks on blocks.tool_use_id = calls.tool_use_id
    where calls.status = 'success'
),

request_skills as (
    select
        requests.message_id,
        arg_max(skills.skill, {'called_at': skills.called_at, 'tool_call_id': skills.tool_call_id}) as skill
    from requests
    join skills
        on skills.session_id = requests.session_id
        and skills.turn_number = requests.turn_number
        and skills.thread = coalesce(requests.agent_id, '')
        and skills.called_at < requests.created_at
    where skills.skill <> ''
    group by requests.message_id
),

-- A response is for the commit, and for the pull request, that the session made next.
operations as (
    select
        session_id,
        operation,
        created_at,
        {'created_at': created_at, 'key': git_operation_key} as place,
        {'key': git_operation_key, 'commit_sha': commit_sha, 'url': url} as made
    from {{ ref('fct_git_operations') }}
    where status = 'success' and operation in ('commit', 'pull_request')
),

served as (
    select
        requests.message_id,
        arg_min(operations.made, operations.place) filter (where operations.operation = 'commit') as commit,
        arg_min(operations.made, operations.place) filter (where operations.operation = 'pull_request') as pull_request
    from requests
    join operations on operations.session_id = requests.session_id and operations.created_at >= requests.created_at
    group by requests.message_id
),

shared as (
    select
        requests.*,
        calls.tool_call_id,
        calls.tool_name,
        calls.tool_category,
        calls.mcp_server as called_mcp_server,
        calls.mcp_tool,
        coalesce(calls.share_number, 1) as share_number,
        coalesce(calls.share_count, 1) as share_count,
        (requests.cost_usd::decimal(38, 9) * 1000000000::decimal(10, 0))::decimal(38, 0)::hugeint as billionths
    from requests
    left join calls on calls.message_id = requests.message_id
),

final as (
    select
        md5(concat_ws(':', shared.message_id, shared.share_number)) as attribution_key,
        shared.request_key,
        shared.session_key,
        shared.date_key,
        shared.project_id,

        -- what it was for
        md5(shared.tool_call_id) as tool_call_key,
        coalesce(shared.tool_name, 'answer') as tool_name,
        coalesce(shared.tool_category, 'answer') as tool_category,
        coalesce(shared.called_mcp_server, declared.mcp_server) as mcp_server,
        shared.mcp_tool,
        coalesce(declared.skill, request_skills.skill) as skill,
        declared.plugin,
        case when shared.is_sidechain then coalesce(agents.agent_type, 'unknown') end as subagent_type,
        nullif(shared.git_branch, '') as git_branch,
        served.commit.key as commit_operation_key,
        served.commit.commit_sha as commit_sha,
        served.pull_request.url as pull_request_url,
        shared.task_category,

        -- whose
        shared.session_id,
        shared.message_id,
        shared.turn_number,
        shared.agent_id,
        shared.model_key,
        shared.model_id,
        shared.created_at,

        -- the share
        shared.share_number,
        shared.share_count,
        (
            (shared.billionths // shared.share_count + (shared.share_number <= shared.billionths % shared.share_count)::int)::decimal(28, 0)
            * 0.000000001::decimal(10, 9)
        )::decimal(18, 9) as cost_usd,
        shared.is_priced,
        shared.total_tokens // shared.share_count + (shared.share_number <= shared.total_tokens % shared.share_count)::int as total_tokens,
        shared.output_tokens // shared.share_count + (shared.share_number <= shared.output_tokens % shared.share_count)::int as output_tokens
    from shared
    left join agents on agents.session_id = shared.session_id and agents.agent_id = shared.agent_id
    left join declared on declared.response_key = shared.message_id
    left join request_skills on request_skills.message_id = shared.message_id
    left join served on served.message_id = shared.message_id
)

select * from final
