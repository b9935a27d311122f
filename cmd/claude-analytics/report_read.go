package main

import (
	"encoding/json"
	"fmt"
)

// levelled is one row of a report's query: a JSON object with the columns' names, and what it sums up.
type levelled struct {
	Level  int    `json:"level"`
	Key    string `json:"key"`
	object []byte
}

// readLines turns rows into objects; what is NULL is left out.
func readLines(answer queryAnswer) ([]levelled, error) {
	keys := names(answer.Columns)
	out := make([]levelled, 0, len(answer.Rows))
	for _, cells := range answer.Rows {
		object := map[string]json.RawMessage{}
		for i, cell := range cells {
			if string(cell) != "null" {
				object[keys[i]] = cell
			}
		}
		text, err := json.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("read report: %w", err)
		}
		line := levelled{object: text}
		if err := line.into(&line); err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, nil
}

func (l levelled) into(to any) error {
	if err := json.Unmarshal(l.object, to); err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	return nil
}

// readLevels reads the rows and their total.
func readLevels[Row, Total any](lines []levelled) (rows []*Row, totals Total, err error) {
	rows = []*Row{}
	for _, line := range lines {
		switch line.Level {
		case levelKey:
			row := new(Row)
			rows = append(rows, row)
			err = line.into(row)
		case levelAll:
			err = line.into(&totals)
		}
		if err != nil {
			return nil, totals, err
		}
	}
	return rows, totals, nil
}

// readUsage also hands each row the models that it is made of.
func readUsage(lines []levelled) ([]*usageRow, usageRow, error) {
	rows, totals, err := readLevels[usageRow, usageRow](lines)
	if err != nil {
		return nil, totals, err
	}
	byKey := map[string]*usageRow{}
	for _, row := range rows {
		byKey[row.Period] = row
	}
	for _, line := range lines {
		row := byKey[line.Key]
		if line.Level != levelModel || row == nil {
			continue
		}
		b := &breakdown{}
		if err := line.into(b); err != nil {
			return nil, totals, err
		}
		row.ModelsUsed = append(row.ModelsUsed, b.ModelName)
		row.Breakdowns = append(row.Breakdowns, b)
	}
	return rows, totals, nil
}
