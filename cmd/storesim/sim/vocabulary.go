package sim

// vocabulary is the raw material of names, goods and places. It is data, but Go has no constant slices and package
// variables are not wanted, so it is built once per generator.
type vocabulary struct {
	first, last   []string
	domains       []string // of mail addresses
	streets       []string
	places        []place
	adjectives    []string
	goods         []good
	colours       []string
	sizes         []string
	shopNames     []string
	notes         []string
	tags          []string
	carriers      []carrier
	gateways      []string
	refundReasons []string
}

type place struct{ city, province, provinceCode, country, countryCode, zip string }

type good struct {
	name, kind string
	cents      int // typical price in US cents
	grams      int
}

type carrier struct{ name, url, prefix string }

func newVocabulary() *vocabulary {
	return &vocabulary{
		first:   []string{"Ada", "Björn", "Chidi", "Daniela", "Émile", "Fatima", "Goran", "Hana", "Imre", "Jürgen", "Kofi", "Léa", "Mateus", "Nao", "Olu", "Priya", "Quinn", "Rosa", "Søren", "Tadhg", "Ulla", "Václav", "Wen", "陽子", "Zoë"},
		last:    []string{"Adeyemi", "Brandt", "Castellanos", "D'Arcy", "Eriksson", "Fujimoto", "García", "Hollander", "Ivanova", "Jansen", "Kowalczyk", "Lindqvist", "Müller", "Nakamura", "O'Connell", "Papadopoulos", "Quiroga", "Rossi", "Smith-Weber", "Tran", "Uddin", "Vásquez", "Whitfield", "山田", "Zhao"},
		domains: []string{"mail.example", "post.example.org", "inbox.example.net", "example.com"},
		streets: []string{"Harbour Lane", "Quarry Road", "Rue des Tilleuls", "Am Mühlbach", "Calle Mayor", "Beacon Street", "Kirkegata", "Orchard Row", "Station Approach", "Old Mill Drive"},
		places: []place{
			{"Portland", "Oregon", "OR", "United States", "US", "97205"},
			{"Ann Arbor", "Michigan", "MI", "United States", "US", "48104"},
			{"Savannah", "Georgia", "GA", "United States", "US", "31401"},
			{"Halifax", "Nova Scotia", "NS", "Canada", "CA", "B3H 1P5"},
			{"Montréal", "Quebec", "QC", "Canada", "CA", "H2X 1Y4"},
			{"Leeds", "England", "ENG", "United Kingdom", "GB", "LS1 4DY"},
			{"Köln", "", "", "Germany", "DE", "50667"},
			{"Lyon", "", "", "France", "FR", "69002"},
			{"Málaga", "Málaga", "MA", "Spain", "ES", "29015"},
			{"札幌市", "北海道", "JP-01", "Japan", "JP", "060-0042"},
			{"Busan", "Busan", "KR-26", "South Korea", "KR", "48058"},
			{"Hobart", "Tasmania", "TAS", "Australia", "AU", "7000"},
		},
		adjectives: []string{"Everyday", "Stonewashed", "Tall", "Quilted", "Merino", "Recycled", "Hand-thrown", "Pocket", "Winter", "Featherlight", "Double-wall", "Heirloom"},
		goods: []good{
			{"Overshirt", "Shirts", 7900, 420},
			{"Wool Socks", "Socks", 1650, 90},
			{"Rain Jacket", "Outerwear", 18900, 610},
			{"Canvas Tote", "Bags", 2800, 260},
			{"Coffee Mug", "Kitchen", 1900, 380},
			{"Linen Sheet Set", "Bedding", 14500, 1900},
			{"Trail Shoe", "Footwear", 12900, 740},
			{"Notebook, dotted", "Stationery", 1250, 310},
			{"Beeswax Candle", "Home", 2400, 450},
			{"Enamel Pot 24 cm", "Kitchen", 8900, 2600},
			{"Sunglasses", "Accessories", 9900, 120},
			{"Desk Lamp", "Lighting", 11900, 1450},
		},
		colours:       []string{"Moss", "Ink", "Oat", "Rust", "Slate", "Ivory", "Petrol", "Plum"},
		sizes:         []string{"XS", "S", "M", "L", "XL", "One size"},
		shopNames:     []string{"juniper-and-rye", "northbank-goods", "petit-atelier", "lumen-house", "saltmarsh", "kettle-creek", "bluebird-paper", "arcade-supply", "hinoki-works", "foxglove", "tin-roof", "maple-foundry", "oyster-bay", "halcyon", "wren-and-oak", "terra-rossa"},
		notes:         []string{"Please leave with the neighbour at no. 7.", "Gift! No invoice in the box, please 🎁", "Ring twice\nthen leave it by the blue door", "Bitte klingeln – \"Müller\" steht am Schild", "  two spaces, a tab\t, and a <b>tag</b> & an ampersand  ", "午後に届けてください"},
		tags:          []string{"wholesale", "vip", "first-order", "gift", "fragile", "newsletter"},
		carriers:      []carrier{{"UPS", "https://carrier.example/ups/", "1Z"}, {"DHL Express", "https://carrier.example/dhl/", "JD"}, {"Canada Post", "https://carrier.example/cp/", "CP"}, {"Yamato", "https://carrier.example/yt/", "YT"}},
		gateways:      []string{"shopify_payments", "paypal", "manual", "gift_card"},
		refundReasons: []string{"Arrived damaged", "Wrong size", "Changed my mind", ""},
	}
}
