-- The shares of a response's cost, and of its tokens, add up to it exactly; and every response is shared out.
with shares as (
    select
        request_key,
        sum(cost_usd) as cost_usd,
        sum(total_tokens) as total_tokens,
        count(*) as share_count,
        max(share_count) as expected_count
    from {{ ref('fct_cost_attribution') }}
    group by request_key
)

select requests.request_key, requests.cost_usd, shares.cost_usd as shared
from {{ ref('fct_api_requests') }} as requests
left join shares on shares.request_key = requests.request_key
where
    not requests.is_api_error
    and (
        shares.request_key is null
        or shares.cost_usd is distinct from requests.cost_usd
        or shares.total_tokens <> requests.total_tokens
        or shares.share_count <> shares.expected_count
    )
