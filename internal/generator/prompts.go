package generator

// promptKind is one of the task categories that the models derive from a prompt's words.
type promptKind struct {
	name      string
	weight    float64
	templates []string
}

// promptKinds are drawn with the measured shares of categories.
var promptKinds = []promptKind{
	{"other", 44, []string{"ok, go on", "yes", "continue", "run it again with ~n ~D", "and now the ~n in ~p", "use ~i instead of ~i", "commit and push", "what about the ~a ~n", "no, keep the ~n ~a, ~s", "please move `~i` to ~p", "the ~n should ~v the ~n, not the ~n", "deploy it to ~n", "rename ~T to ~T everywhere"}},
	{"feature", 25, []string{"Implement `~i` in ~p so that the ~n can ~v the ~n. ~S", "create a ~n for the ~a ~n", "add a feature that lets users ~v their ~n ~w ~s", "build the ~n page: ~s, ~s and ~s", "Implement the following plan:\n\n# ~V the ~n\n\n- ~S\n- ~S\n- ~S\n\n~S"}},
	{"review", 10, []string{"review ~p please", "what does `~i` do? ~S", "look at the ~n in ~p and tell me ~s", "check whether the ~n is ~a"}},
	{"bug_fix", 8, []string{"fix the ~n: ~s", "there is a bug in ~p, ~i returns a ~a ~n", "I get this error when I ~v the ~n:\n\n~S", "the ~n is broken since ~h, ~s", "~v is not working for a ~a ~n?"}},
	{"documentation", 6, []string{"document ~p", "update the README for the ~n", "explain how the ~n and the ~n work together", "write a comment above `~i` about the ~a ~n"}},
	{"testing", 5, []string{"test that the ~n is ~a after ~i", "write a spec for ~p", "raise the coverage of ~n to ~D", "assert that `~i` never sees a ~a ~n"}},
	{"refactor", 2, []string{"refactor ~i into ~d functions", "clean up ~p, ~s", "improve the ~n of `~T`", "optimize the ~n query", "restructure the ~n folder"}},
}

// foreignPrompts are prompts in other languages; identifiers and paths stay as they are.
var foreignPrompts = []string{
	"Bitte prüfe, warum `~i` einen leeren Wert zurückgibt, und behebe den Fehler in ~p.",
	"Schreib Tests für ~p – mindestens ~d Fälle, auch für Umlaute wie „Größe“.",
	"Peux-tu expliquer pourquoi ~p échoue à la ligne ~D ? Il faut corriger ça d'abord.",
	"Ajoute une page « ~n » avec un bouton pour exporter les données.",
	"Crea una función `~i` que compruebe si el usuario tiene permiso; después ejecuta las pruebas.",
	"O botão de salvar não funciona quando ~n está vazio, corrige por favor.",
	"Aggiorna la documentazione di ~p e spiega perché usiamo `~T`.",
	"~p のテストが失敗しています。原因を調べて修正してください。",
	"`~i` を ~d つの関数に分割して、コメントも日本語で書いてください。",
	"请检查 ~p 里的 `~i`,为什么返回值是空的?修复后运行全部测试。",
	"把首页改成中文,并添加 ~n 的导出功能。",
	"~p 파일에서 오류가 나요. `~i` 함수를 고쳐 주세요.",
	"Почему `~i` возвращает пустой список? Исправь и добавь тест в ~p.",
	"Sprawdź, czy ~n działa po zmianie `~T`, i popraw błąd.",
	"~p dosyasındaki hatayı düzelt, sonra testleri çalıştır 🙏",
	"يرجى إصلاح الخطأ في ~p ثم تشغيل الاختبارات",
}

// promptSize is the length of what people type; the long ones are pasted plans and logs.
var promptSize = curve{{0, 3}, {0.25, 40}, {0.5, 110}, {0.75, 330}, {0.9, 1200}, {0.99, 9000}, {1, 40000}}

var promptMix = func() (w weighted[*promptKind]) {
	for i := range promptKinds {
		w.add(&promptKinds[i], promptKinds[i].weight)
	}
	return w
}()

// prompt writes what a person asks.
func (lex *lexicon) prompt(b []byte, r *rng, code *language) []byte {
	start := len(b)
	size := int(promptSize.draw(r))
	if r.chance(0.13) {
		b = lex.expand(b, r, pick(r, foreignPrompts))
	} else {
		b = lex.expand(b, r, pick(r, promptMix.draw(r).templates))
	}
	if size < 300 {
		return b
	}
	if r.chance(0.3) {
		b = lex.fenced(b, r, code)
	}
	for len(b)-start < size {
		b = append(b, "\n\n"...)
		b = lex.sentence(b, r)
		b = append(b, ' ')
		b = lex.sentence(b, r)
	}
	return b
}
