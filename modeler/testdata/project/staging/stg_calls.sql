select
    b.tool_use_id,
    d.session_id,
    d.project_id,
    d.date_key,
    min(b.tool_name) as tool_name,
    list(d.record_key order by d.effective_timestamp, d.record_key) as records,
    min(d.effective_timestamp) as called_at
from {{ source('raw', 'content_blocks') }} as b
join {{ ref('stg_docs') }} as d on d.record_key = b._key
where b.block_type = 'tool_use'
group by all
