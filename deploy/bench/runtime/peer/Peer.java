import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Handles a topic in KEY order with Confluent's Parallel Consumer, until standard input ends. Prints how much is handled as JSON
 * lines, as millrace's member of the bench does: {"at": microseconds since 1970, "handled": records}.
 *
 * Arguments: brokers, topic, group, workers, milliseconds that the handler sleeps, then consumer settings as name=value.
 */
final class Peer {
    public static void main(String[] args) throws Exception {
        int workers = Integer.parseInt(args[3]);
        long sleep = Long.parseLong(args[4]);
        Properties p = new Properties();
        p.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(ConsumerConfig.GROUP_ID_CONFIG, args[2]);
        p.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        p.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false"); // it commits itself and refuses to start otherwise
        p.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, StringDeserializer.class);
        p.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        for (int i = 5; i < args.length; i++) {
            String[] setting = args[i].split("=", 2);
            p.put(setting[0], setting[1]);
        }
        // The commit mode stays its default, PERIODIC_CONSUMER_ASYNCHRONOUS.
        ParallelStreamProcessor<String, byte[]> consumer = ParallelStreamProcessor.createEosStreamProcessor(
                ParallelConsumerOptions.<String, byte[]>builder()
                        .ordering(ProcessingOrder.KEY)
                        .maxConcurrency(workers)
                        .consumer(new KafkaConsumer<String, byte[]>(p))
                        .build());
        AtomicLong handled = new AtomicLong();
        consumer.subscribe(List.of(args[1]));
        consumer.poll(record -> {
            if (sleep > 0) {
                try {
                    Thread.sleep(sleep);
                } catch (InterruptedException e) {
                    throw new IllegalStateException("interrupted", e); // not handled
                }
            }
            handled.incrementAndGet();
        });
        Thread reporter = new Thread(() -> report(handled), "reporter");
        reporter.setDaemon(true);
        reporter.start();
        while (System.in.read() >= 0) {
            // Nothing is said on standard input; its end is the parent's word, or death.
        }
        consumer.closeDontDrainFirst();
        print("{\"at\":%d,\"handled\":%d,\"end\":true}", handled.get());
        System.exit(0);
    }

    private static void report(AtomicLong handled) {
        long last = 0;
        while (true) {
            long n = handled.get();
            if (n != last) {
                print("{\"at\":%d,\"handled\":%d}", n);
                last = n;
            }
            try {
                Thread.sleep(10);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private static synchronized void print(String format, long handled) {
        System.out.println(String.format(format, ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()), handled));
    }
}
