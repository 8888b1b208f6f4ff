package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// child is this executable in another role. It takes lines and answers with lines.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startChild(ctx context.Context, role string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, role)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.lines = bufio.NewScanner(out)
	return c, c.cmd.Start()
}

// tell sends one line of JSON.
func (c *child) tell(what any) error {
	line, err := json.Marshal(what)
	if err != nil {
		return err
	}
	_, err = c.in.Write(append(line, '\n'))
	return err
}

// hear reads one line.
func (c *child) hear() ([]byte, error) {
	if !c.lines.Scan() {
		return nil, fmt.Errorf("the process %s ended", c.cmd.Args[1])
	}
	return c.lines.Bytes(), nil
}

// close ends the child by ending its input.
func (c *child) close() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}
