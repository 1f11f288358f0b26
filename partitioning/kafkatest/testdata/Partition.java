import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/**
 * Reads keys from standard input, one a line in base64, and prints for each the partitions that the Java producer's default
 * partitioner chooses, for topics of as many partitions as the arguments say, separated by blanks.
 */
class Partition {
    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        var out = new PrintStream(System.out, false, StandardCharsets.US_ASCII);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            byte[] key = Base64.getDecoder().decode(line);
            for (int i = 0; i < args.length; i++) {
                out.print((i == 0 ? "" : " ") + BuiltInPartitioner.partitionForKey(key, Integer.parseInt(args[i])));
            }
            out.println();
        }
        out.flush();
    }
}
