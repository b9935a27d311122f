-- page: session
-- title: Git
-- about: Commits, pushes, branches and pull requests of the session, as the CLI reports them or as the commands say.
-- models: marts.fct_git_operations
SELECT created_at, operation, status, branch, commit_sha, repository, url, pull_request_number, turn_number, tool_call_key, origin
FROM marts.fct_git_operations
WHERE session_id = $session
ORDER BY created_at, git_operation_key
LIMIT $limit OFFSET $offset
