package generator

// language is one kind of source file: how it starts, and the blocks it is made of.
type language struct {
	ext, fence string
	head       string
	blocks     []string
}

var languages = map[string]*language{
	"go": {ext: ".go", fence: "go", head: "package ~n\n\nimport (\n\t\"context\"\n\t\"errors\"\n\t\"fmt\"\n)\n\n", blocks: []string{
		"// ~i ~s ~w ~s.\nfunc ~i(ctx context.Context, ~n *~T) (~T, error) {\n\t~n, err := ~i(ctx, ~n)\n\tif err != nil {\n\t\treturn ~T{}, fmt.Errorf(\"~v ~n: %w\", err)\n\t}\n\tfor _, ~n := range ~n.~N {\n\t\tif ~n.~N == ~D {\n\t\t\tcontinue\n\t\t}\n\t\t~i(~n, ~n)\n\t}\n\treturn ~n, nil\n}\n\n",
		"// ~T holds the ~n of a ~a ~n.\ntype ~T struct {\n\t~N  ~T\n\t~N  []string // ~s\n\t~N  map[string]int\n\t~N  bool\n}\n\n",
		"func (~n *~T) ~i() error {\n\t~n.mu.Lock()\n\tdefer ~n.mu.Unlock()\n\tif len(~n.~N) > ~D {\n\t\treturn errors.New(\"~s\")\n\t}\n\tselect {\n\tcase ~n.~N <- ~i(~n):\n\tdefault:\n\t\t~n.~N++ // ~s\n\t}\n\treturn nil\n}\n\n",
		"var err~N = errors.New(\"~n: ~s\")\n\nconst (\n\tmax~N = ~D\n\tdefault~N = \"~n-~n\"\n)\n\n",
	}},
	"ts": {ext: ".ts", fence: "typescript", head: "import { ~i, ~i } from './~n';\nimport type { ~T } from '../~n/~n';\n\n", blocks: []string{
		"/** ~S */\nexport async function ~i(~n: ~T, options: Partial<~T> = {}): Promise<~T[]> {\n  const ~n = await ~i(~n.id, { limit: ~D });\n  if (!~n) {\n    throw new Error(`~s: ${~n.id}`);\n  }\n  return ~n\n    .filter((~n) => ~n.~n !== null)\n    .map((~n) => ({ ...~n, ~n: ~i(~n) }));\n}\n\n",
		"export interface ~T {\n  id: string;\n  ~n: number;\n  ~n?: ~T | null;\n  ~n: Record<string, ~T>;\n}\n\n",
		"export const ~i = create~N<~T>((set, get) => ({\n  ~n: [],\n  ~n: false,\n  ~v: async (~n) => {\n    set({ ~n: true });\n    const { data, error } = await ~i(~n);\n    set({ ~n: data ?? get().~n, ~n: false });\n  },\n}));\n\n",
		"describe('~i', () => {\n  it('~v ~s', () => {\n    const ~n = ~i({ ~n: ~D });\n    expect(~n.~n).toEqual([~d, ~d, ~d]);\n  });\n});\n\n",
	}},
	"py": {ext: ".py", fence: "python", head: "\"\"\"~S\"\"\"\nfrom __future__ import annotations\n\nimport logging\nfrom dataclasses import dataclass\n\nlogger = logging.getLogger(__name__)\n\n\n", blocks: []string{
		"def ~v_~n(~n: ~T, ~n: int = ~D) -> list[~T]:\n    \"\"\"~S\n\n    ~S\n    \"\"\"\n    ~n = []\n    for ~n in ~n.~v_~n():\n        if not ~n.~n:\n            logger.warning(\"~s: %s\", ~n)\n            continue\n        ~n.append(~i(~n, ~n=~n))\n    return ~n\n\n\n",
		"@dataclass(frozen=True)\nclass ~T:\n    ~n: str\n    ~n: int = ~D\n    ~n: dict[str, ~T] | None = None\n\n    def ~v(self) -> bool:\n        return self.~n is not None and self.~n > ~d\n\n\n",
		"def test_~v_~n(~n, tmp_path):\n    ~n = ~v_~n(tmp_path / \"~n.json\", ~n=~D)\n    assert ~n.~n == ~D\n    assert [x.~n for x in ~n] == [\"~n\", \"~n\"]\n\n\n",
		"class ~T(~T):\n    def __init__(self, ~n, *, ~n=None):\n        super().__init__(~n)\n        self._~n = ~n or {}\n\n    async def ~v(self, ~n):\n        async with self._~n as ~n:\n            return await ~n.~v(~n)\n\n\n",
	}},
	"rs": {ext: ".rs", fence: "rust", head: "use anyhow::{Context, Result};\nuse std::collections::HashMap;\n\n", blocks: []string{
		"/// ~S\npub fn ~v_~n(~n: &~T, ~n: usize) -> Result<Vec<~T>> {\n    let mut ~n = Vec::with_capacity(~D);\n    for ~n in ~n.iter().filter(|x| x.~n > ~d) {\n        ~n.push(~n.~v().context(\"~s\")?);\n    }\n    Ok(~n)\n}\n\n",
		"#[derive(Debug, Clone, Default)]\npub struct ~T {\n    pub ~n: String,\n    ~n: HashMap<String, ~T>,\n    ~n: Option<u64>,\n}\n\n",
		"impl ~T {\n    pub fn ~v(&mut self, ~n: ~T) -> Option<~T> {\n        match self.~n.entry(~n.key()) {\n            Entry::Occupied(mut e) => Some(e.insert(~n)),\n            Entry::Vacant(e) => { e.insert(~n); None }\n        }\n    }\n}\n\n",
	}},
	"sql": {ext: ".sql", fence: "sql", head: "-- ~S\n", blocks: []string{
		"with ~n as (\n    select ~n_id, ~n, count(*) as ~n_count\n    from ~n_~n\n    where ~n > ~D and ~n is not null\n    group by 1, 2\n)\nselect n.*, p.~n\nfrom ~n as n\nleft join ~n_~n as p on p.~n_id = n.~n_id\norder by ~n_count desc;\n\n",
		"create table if not exists ~n_~n (\n    id bigint primary key,\n    ~n_id bigint not null references ~n (id),\n    ~n text,\n    created_at timestamptz default now()\n);\n\n",
	}},
	"md": {ext: ".md", fence: "markdown", head: "# ~N ~n\n\n~S ~S\n\n", blocks: []string{
		"## ~V the ~n\n\n~S ~S ~S\n\n- ~S\n- ~S\n- `~i`: ~s\n\n",
		"### ~N\n\n~S\n\n```bash\nmake ~v ~n=~D\n./~n --~v ~p\n```\n\n~S\n\n",
		"| ~n | ~n | ~n |\n|---|---|---|\n| ~a | `~i` | ~D |\n| ~a | `~i` | ~D |\n\n",
	}},
	"yaml": {ext: ".yaml", fence: "yaml", head: "# ~s\nname: ~n-~n\n", blocks: []string{
		"~n:\n  ~n: ~n-~D\n  ~n: [~n, ~n, ~n]\n  ~n:\n    - name: ~v ~n\n      run: ~v --~n=~D ~p\n",
		"  ~n:\n    image: ~n:~d.~d.~d\n    environment:\n      ~N: \"~D\"\n    depends_on: [~n, ~n]\n",
	}},
	"json": {ext: ".json", fence: "json", head: "{\n  \"name\": \"~n-~n\",\n  \"version\": \"~d.~d.~d\",\n", blocks: []string{
		"  \"~n~D\": { \"~n\": \"~s\", \"~n\": ~D, \"~n\": [\"~n\", \"~n\"] },\n",
	}},
}

// tailOf closes what a language's head has opened.
func (l *language) tail() string {
	if l.ext == ".json" {
		return "  \"private\": true\n}\n"
	}
	return ""
}

// source writes a file of about size bytes.
func (lex *lexicon) source(b []byte, r *rng, l *language, size int) []byte {
	start := len(b)
	b = lex.expand(b, r, l.head)
	for len(b)-start < size {
		b = lex.expand(b, r, pick(r, l.blocks))
	}
	return append(b, l.tail()...)
}

// fenced appends a code block as an answer has it.
func (lex *lexicon) fenced(b []byte, r *rng, l *language) []byte {
	b = append(b, "\n\n```"...)
	b = append(b, l.fence...)
	b = append(b, '\n')
	b = lex.expand(b, r, pick(r, l.blocks))
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return append(b, "\n```\n"...)
}

// answerSize is the length of an assistant's text; most are one or two sentences before a tool call.
var answerSize = curve{{0, 30}, {0.25, 90}, {0.5, 160}, {0.75, 380}, {0.9, 1500}, {0.99, 6000}, {1, 16000}}

// prose writes an answer of about size characters, the longer ones with headings, lists and sometimes code.
func (lex *lexicon) prose(b []byte, r *rng, size int, code *language) []byte {
	start := len(b)
	b = lex.sentence(b, r)
	for len(b)-start < size {
		switch n := r.intn(24); {
		case size > 700 && n == 0:
			b = lex.expand(b, r, "\n\n## ~V the ~n\n\n~S")
		case size > 500 && n < 5:
			b = lex.expand(b, r, "\n- **~N**: ~S")
		case size > 400 && n < 7:
			b = lex.expand(b, r, "\n\n~S")
		default:
			b = append(b, ' ')
			b = lex.sentence(b, r)
		}
	}
	if code != nil {
		b = lex.fenced(b, r, code)
	}
	return b
}
