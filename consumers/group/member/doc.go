// Package member is the one way to be a member of a consumer group in millrace.
package member
