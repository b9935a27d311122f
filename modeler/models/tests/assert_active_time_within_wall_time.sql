-- A session is never active for longer than it lasted, and its days add up to it.
with days as (
    select session_id, sum(active_ms) as active_ms
    from {{ ref('int_session_days') }}
    group by session_id
)

select sessions.session_id, sessions.active_seconds, sessions.duration_seconds, days.active_ms
from {{ ref('dim_sessions') }} as sessions
left join days on days.session_id = sessions.session_id
where
    sessions.active_seconds > sessions.duration_seconds
    or sessions.idle_seconds < 0
    or sessions.active_seconds is distinct from days.active_ms // 1000
