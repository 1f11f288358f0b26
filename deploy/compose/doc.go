// Package compose holds a compose file that runs the whole pipeline with real servers, and the image of this repository's programs.
// There is no code here but the tests that check the files.
package compose
