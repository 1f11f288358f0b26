package grafana

const shopsQuery = "SELECT DISTINCT shop FROM orders ORDER BY shop LIMIT 10000"

// ofShop is the condition of the variable shop: the shops that are chosen, or all.
const ofShop = "('*' IN (${shop:singlequote}) OR shop IN (${shop:singlequote}))"

// Business is for merchants: what is sold. Days are UTC, and every amount is of the shops' own currencies, one line each.
// What counts as what is defined in schemas/README.md.
func Business() Dashboard {
	days := func(title, about, unit, value string) Panel {
		return Panel{
			Title: title, About: about, Kind: "timeseries", Unit: unit, Width: 12, Source: ClickHouse,
			Queries: []Query{{
				Text:    "SELECT toDateTime(day) AS time, currency, " + value + " AS value FROM sales_by_day\nWHERE $__dateFilter(day) AND " + ofShop + "\nGROUP BY time, currency ORDER BY time",
				Columns: []string{"time", "currency", "value"},
			}},
		}
	}
	return Dashboard{
		UID: "millrace-business", Title: "Millrace: business", About: "Orders, revenue, refunds, products, customers and checkouts, from the read models.", Refresh: "1m", From: "now-30d", Shop: true,
		Panels: []Panel{
			{
				Title: "Revenue", About: "Gross less what was written off and refunded, in the range of time.", Kind: "table", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text: "SELECT currency, sum(sales.orders) AS orders, sum(sales.gross) AS gross, sum(sales.refunded) AS refunded, sum(sales.gross) - sum(sales.written_off) - sum(sales.refunded) AS net,\n" +
						"    sum(sales.gross) / nullIf(sum(sales.orders), 0) AS average_order_value\nFROM sales WHERE $__timeFilter(at) AND " + ofShop + "\nGROUP BY currency ORDER BY orders DESC",
					Columns: []string{"currency", "orders", "gross", "refunded", "net", "average_order_value"},
				}},
			},
			{
				Title: "Orders per hour", About: "By the time that an order was created.", Kind: "timeseries", Unit: "short", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text:    "SELECT toStartOfHour(at) AS time, sum(sales.orders) AS orders FROM sales\nWHERE $__timeFilter(at) AND " + ofShop + "\nGROUP BY time ORDER BY time",
					Columns: []string{"time", "orders"},
				}},
			},
			days("Net revenue per day", "Gross less what was written off and refunded.", "currency:", "sum(net)"),
			days("Average order value per day", "Gross over orders, test orders left out.", "currency:", "sum(gross) / nullIf(sum(sales_by_day.orders), 0)"),
			days("Refunds per day", "By the time of the refund, not of its order.", "currency:", "sum(refunded)"),
			days("Cancelled orders per day", "By the time that the order was created.", "short", "sum(cancelled_orders)"),
			{
				Title: "Top products", About: "Units sold less what was taken off the orders again.", Kind: "barchart", Unit: "short", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text:    "SELECT sku, sum(units_by_day.units) AS sold FROM units_by_day\nWHERE $__dateFilter(day) AND " + ofShop + "\nGROUP BY sku ORDER BY sold DESC, sku LIMIT 10",
					Columns: []string{"sku", "sold"},
				}},
			},
			{
				Title: "New and returning customers per day", About: "Customers who ordered that day, by whether it was the day of their first order.", Kind: "timeseries", Unit: "short", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text:    "SELECT toDateTime(day) AS time, sum(new_customers) AS new, sum(returning_customers) AS returning FROM customers_by_day\nWHERE $__dateFilter(day) AND " + ofShop + "\nGROUP BY time ORDER BY time",
					Columns: []string{"time", "new", "returning"},
				}},
			},
			{
				Title: "Time to fulfil", About: "From the creation of an order to its first fulfilment, on average, by the day of the order.", Kind: "timeseries", Unit: "s", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text:    "SELECT toDateTime(day) AS time, sum(fulfil_seconds) / nullIf(sum(fulfilled_orders), 0) AS seconds FROM sales_by_day\nWHERE $__dateFilter(day) AND " + ofShop + "\nGROUP BY time ORDER BY time",
					Columns: []string{"time", "seconds"},
				}},
			},
			{
				Title: "Abandoned checkouts per day", About: "Checkouts that were not completed and in which nothing happened for an hour.", Kind: "timeseries", Unit: "short", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text:    "SELECT toDateTime(day) AS time, sum(checkouts_by_day.abandoned) AS left, sum(checkouts_by_day.completed) AS bought FROM checkouts_by_day\nWHERE $__dateFilter(day) AND " + ofShop + "\nGROUP BY time ORDER BY time",
					Columns: []string{"time", "left", "bought"},
				}},
			},
		},
	}
}
