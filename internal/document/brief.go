package document

import "claude-analytics/proto"

// Brief is Convert for the lake, whose rows hold the document itself beside what tells it from others: the counters,
// results, JSON and content_length of the row stay empty, nothing is noted in Row.Issues, and there are no blocks. It
// fails for the documents for which Convert fails, so that lake and warehouse take the same ones.
func (v *Converter) Brief(c *proto.Change, epoch, seq uint64) (Row, error) {
	defer v.forget()
	row, doc, err := v.begin(c, epoch, seq)
	if err != nil {
		return Row{}, err
	}
	nested := v.nested()
	row.MessageContent = v.contentText(v.head(nested).content, 0)
	v.keys(nested)
	v.checkJSON(doc)
	if v.broken != nil {
		return Row{}, v.broken
	}
	return *row, nil
}

// checkJSON looks for what raw and attributes could not write as JSON.
func (v *Converter) checkJSON(doc string) {
	v.check("message", v.top.message)
	v.check("toolUseResult", v.top.toolUseResult)
	for c := open(doc); c.next(); {
		if !v.inColumn(c.key, c.val) {
			v.check(c.key, c.val)
		}
	}
}

func (v *Converter) check(name string, of value) {
	v.field = name
	if err := writable(of, 1, &v.json); err != nil {
		v.fail(err)
	}
}

// writable is what jsonWriter.value returns for a value, without writing it.
func writable(v value, depth int, w *jsonWriter) error {
	switch v.kind {
	case typeDocument, typeArray:
		if depth == MaxBSONDepth {
			return ErrTooDeep
		}
		c := open(v.data)
		for c.next() {
			if err := writable(c.val, depth+1, w); err != nil {
				return err
			}
		}
		return c.err
	case 0, typeString, typeInt32, typeInt64, typeDouble, typeBoolean, typeNull, typeObjectID, typeDate:
		return nil
	}
	w.buf = w.buf[:0]
	return w.exotic(v)
}
