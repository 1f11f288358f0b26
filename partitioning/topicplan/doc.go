// Package topicplan compares the topics that a Kafka cluster has with those that millrace wants (schemas.TopicPlan), shows the
// difference, and applies what can be applied without harm.
//
// It creates topics and sets topic settings. It never changes a partition count, since a key would move to another partition
// and overtake its own earlier events; and it never moves replicas, which is hours of traffic that an operator must schedule.
// It deletes nothing, and leaves topics and settings that the plan does not name alone.
package topicplan
