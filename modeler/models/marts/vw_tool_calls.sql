{{ config(materialized='view', schema='marts') }}

-- fct_tool_calls as seen now: a call without a result is 'interrupted' once the newest arrival is 30 minutes later.
with arrivals as (
    select max(extracted_at) as newest_at
    from {{ source('raw', 'conversations') }}
),

final as (
    select
        tool_calls.* replace (
            case
                when tool_calls.status = 'pending' and arrivals.newest_at > tool_calls.created_at + interval 30 minutes then 'interrupted'
                else tool_calls.status
            end as status
        )
    from {{ ref('fct_tool_calls') }} as tool_calls
    cross join arrivals
)

select * from final
