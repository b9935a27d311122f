-- Messages and tool calls are numbered 1..n in their session.
select 'fct_messages' as model, session_id
from {{ ref('fct_messages') }}
group by session_id
having min(message_sequence) <> 1 or max(message_sequence) <> count(*) or count(distinct message_sequence) <> count(*)
union all
select 'fct_tool_calls', session_id
from {{ ref('fct_tool_calls') }}
group by session_id
having min(tool_sequence) <> 1 or max(tool_sequence) <> count(*) or count(distinct tool_sequence) <> count(*)
