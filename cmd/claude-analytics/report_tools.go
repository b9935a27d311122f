package main

type toolFields struct{}

func toolSQL(f reportFilter) string { return "" }
func (r *report) printTools(e *env) {}

type blockFields struct{}

func blocksSQL(f reportFilter) string { return "" }
func (r *report) printBlocks(e *env)  {}
